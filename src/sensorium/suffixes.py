"""File suffixes of images and audio, in lower case, by which they are found in a folder."""

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
AUDIO_SUFFIXES = (
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus", ".rf64", ".snd"),
    *(".sph", ".w64", ".wav"),
)
# Recordings that are known and not read: they are named in a note.
UNREAD_AUDIO_SUFFIXES = (
    *(".3gp", ".aac", ".ac3", ".amr", ".ape", ".m4a", ".m4b", ".mka", ".mp4", ".weba", ".webm", ".wma", ".wv"),
)
