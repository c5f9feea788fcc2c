#!/bin/sh
# Fashion-MNIST from Debian's archive, into /usr/share/datasets/fashion-mnist. Needs root.
set -e
apt-get update
apt-get install -y dataset-fashion-mnist
