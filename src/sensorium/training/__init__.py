from sensorium import startup

startup.lighten()  # before the modules of this package import Lightning
