"""A training for each task that takes seconds, on the files that `tiny_data.write_data` writes or on synthetic data."""

_FEW_IMAGES = "dataset.num_train=48 dataset.num_val=12 dataset.num_test=12 model.width=4"
_NARROW = "model.embedding_size=8 model.hidden_size=8"

EVERY_TASK = {
    "image_classification": "dataset=image_csv dataset.path=stripes.csv model.width=4",
    "text_classification": f"dataset=text_csv dataset.path=reviews.csv dataset.max_length=8 {_NARROW}",
    "audio_classification": "dataset=speech_folder dataset.root=tones dataset.features.num_mels=8 model=keyword_rnn"
    " model.hidden_size=8 model.num_layers=1",
    "image_tagging": f"dataset=digit_tags {_FEW_IMAGES}",
    "regression/image": f"dataset=digit_pose {_FEW_IMAGES}",
    "regression/text": f"dataset=price_texts dataset.train=48 dataset.val=12 dataset.test=12 {_NARROW}",
    "object_detection": "dataset=yolo dataset.root=boxes model.width=2 model.blocks=1",
    "semantic_segmentation": "dataset=segmentation_folder dataset.root=masks model.width=4 model.depth=1",
    "language_modeling": f"dataset=text_file dataset.path=text.txt dataset.tokenizer=char dataset.context=32 {_NARROW}",
    "translation": "dataset=parallel_tsv dataset.path=pairs_train.tsv dataset.val_path=pairs_val.tsv"
    f" dataset.test_path=pairs_test.tsv dataset.tokenizer=word dataset.min_count=1 {_NARROW}",
    "speech_recognition": "dataset=speech_manifest dataset.path=speech.csv dataset.features.num_mels=8"
    " model.hidden_size=12 model.num_layers=1",
}
COMMON = ("batch_size=8", "workers=1", "threads=1", "accelerator=cpu", "trainer.precision=32-true", "test=false")


def settings_of(task: str, *more: str) -> tuple[str, ...]:
    """Overrides of the training for a task; six steps an epoch or more."""
    return (*EVERY_TASK[task].split(), *COMMON, "run_root=runs", *more)
