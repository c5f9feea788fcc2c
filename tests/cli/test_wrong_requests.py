"""Wrong requests: each ends with exit status 2 and one or two lines that say what was wrong and what to do instead.

Every case runs the real command in a process of its own.
"""

import pickle
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from command import run_command, run_process
from images import write_picture_folder
from sensorium.training.launch import cores

NO_GPU = not torch.cuda.is_available()
MISSING = [name for name in ("mlflow", "wandb") if find_spec(name) is None]

# (what is typed after `sensorium`, parts of the answer)
VERBS = [
    ("lsit", ["'lsit'", "Did you mean list?"]),
    ("evaluate", ["'evaluate'", "Did you mean eval?"]),
    (
        "seed=1",
        [
            "'seed=1' comes before a verb",
            "sensorium VERB seed=1",
            "train, eval, predict, explain, export, serve, report, check, list",
        ],
    ),
    ("--trian", ["no verb '--trian'", "Did you mean train?"]),
]
OPTIONS = [
    ("train --epochs=3", ["no option '--epochs'", "key=value, without dashes", "sensorium train --help"]),
    ("train --multi-run seed=1,2", ["'--multi-run'", "Did you mean --multirun?"]),
    ("train --cfg jobs", ["'jobs'", "Did you mean job?"]),
    ("train --config-dir", ["--config-dir needs a value"]),
    ("train --config-dir nowhere", ["nowhere", "not found"]),
    ("train resnet18", ["'resnet18' is not key=value", "no file or folder", "For example: sensorium train"]),
    ("train phtos", ["no file or folder. Did you mean photos?"]),
    ("check phtos", ["no file or folder. Did you mean photos?"]),
    ("predict cat.jpg", ["'cat.jpg' is not key=value", "For example: sensorium predict"]),
    ("train 'callbacks=[a'", ["'callbacks=[a' cannot be read", "key=value"]),
    # What a shell makes of braces without quotes: one key several times in a row.
    (
        "train dataset=image_shards dataset.root=s/t-08.tar dataset.root=s/t-09.tar dataset.root=s/t-10.tar",
        [
            "dataset.root= is given 3 times in a row, and one value counts: s/t-08.tar, s/t-09.tar, s/t-10.",
            "Quote the braces, ",
            """: 'dataset.root="s/t-{08..10}.tar"'""",
        ],
    ),
    ("eval ckpt=x dataset.root=s/a.tar dataset.root=s/bb.tar", ["twice in a row", """'dataset.root="s/{a,bb}.tar"'"""]),
    (
        "train +seed=1 seed=2",
        ["seed= is given twice in a row", "Give it once; for a training with each value: sensorium train -m seed=1,2"],
    ),
    ("predict ckpt=x input=a.png input=b.png", ["input= is given twice in a row", "Give it once. Braces that are not"]),
    # A later value counts elsewhere: what follows a command that is stored changes it.
    ("train seed=1 model=mlp seed=2 dataset=digitz", ["There is no dataset 'digitz'"]),
    ("train seed=1,2", ["seed=1,2 are several values", "sensorium train -m seed=1,2", "'seed=[1,2]'"]),
]
GROUPS = [
    ("train dataset=imagefolder", ["no dataset 'imagefolder'", "Did you mean image_folder?", "cifar10"]),
    ("train model=resnet19", ["no model 'resnet19'", "Did you mean resnet18?", "vit_tiny"]),
    ("train augment=flip_corp", ["no augment 'flip_corp'", "Did you mean flip_crop?"]),
    ("train optimizer=adamm", ["no optimizer 'adamm'", "Did you mean adam?", "muon"]),
    ("train scheduler=cosin", ["no scheduler 'cosin'", "Did you mean cosine?"]),
    ("train accelerator=gpuu", ["no accelerator 'gpuu'", "Did you mean gpu?"]),
    ("train strategy=ddpp", ["no strategy 'ddpp'", "Did you mean ddp?"]),
    ("train callbacks=emaa", ["no callbacks 'emaa'", "Did you mean ema?"]),
    ("train learning=fixmach", ["no learning 'fixmach'", "Did you mean fixmatch?"]),
    ("train logger=csvv", ["no logger 'csvv'", "Did you mean csv?"]),
    ("train debug=onebatch", ["no debug 'onebatch'", "Did you mean one_batch?"]),
    ("train experiment=digits", ["no experiment 'digits'", "Did you mean digits_cnn?"]),
    ("train task=clasification", ["no task 'clasification'", "Did you mean classification?"]),
    ("train modle=lenet", ["no key 'modle'", "Did you mean model?", "train has: seed"]),
    ("train model=", ["no model ''", "Allowed: airbench_cnn"]),
    ("train ~model", ["needs a model", "sensorium list what=model"]),
    ("train model=null", ["model=null is not possible; choose one of these", "Allowed: airbench_cnn"]),
    ("train model=1", ["model=1 is not possible; choose one of these", "Allowed: airbench_cnn"]),
    ("train model=[lenet,mlp]", ["model=[lenet,mlp] is not possible; choose one of these alone"]),
    ("train dataset={a:1}", ["dataset={a:1} is not possible"]),
    ("eval ckpt=good.ckpt dataset=null", ["dataset=null is not possible", "image_folder"]),
    ("train ~trainer", ["trainer was removed but is required. Omit ~trainer"]),
    ("train ~lr", ["lr was removed but is required. Omit ~lr"]),
    ("train ~callbacks", ["callbacks was removed but is required. Omit ~callbacks"]),
    ("train ~strategy", ["trainer.strategy was removed but is required."]),
    ("train -m model=lenet,resnet9", ["no model 'resnet9'", "Did you mean resnet8?"]),
    ("eval ckpt=good.ckpt dataset=imagefolder", ["no dataset 'imagefolder'", "Did you mean image_folder?"]),
    ("list what=modls", ["no group 'modls'", "Did you mean model?"]),
    ("list model=lenett", ["no model 'lenett'", "Did you mean lenet?"]),
]
KEYS = [
    ("train sead=1", ["no key 'sead'", "Did you mean seed?", "batch_size"]),
    ("train epochs=3", ["no key 'epochs'", "Did you mean trainer.max_epochs?"]),
    ("train +colour=red", ["no key 'colour'", "train has: seed"]),
    ("train trainer.max_epoch=3", ["'max_epoch'", "Did you mean max_epochs?"]),
    ("train trainr.max_epochs=3", ["'trainr.max_epochs'", "Did you mean trainer.max_epochs?"]),
    ("train trainer.callbacks=1", ["trainer.callbacks is set by Sensorium", "callbacks and logger"]),
    ("train dataset.resise=pad", ["'dataset.resise'", "Did you mean dataset.resize?", "val_fraction"]),
    ("train +dataset.rott=pad", ["'rott'", "Allowed: channels, image_size"]),
    ("train model.widht=3", ["'model.widht'", "Did you mean model.width?", "model has: "]),
    ("train +model.widht=3", ["'widht'", "Did you mean width?"]),
    ("train optimizer=sgd optimizer.momentom=1", ["'optimizer.momentom'", "Did you mean optimizer.momentum?"]),
    ("train scheduler.warmup=1", ["'scheduler.warmup'", "Did you mean scheduler.warmup_epochs?"]),
    (
        "train augment.transforms.crop.pading=2",
        ["'augment.transforms.crop.pading'", "Did you mean augment.transforms.crop.padding?"],
    ),
    ("train +augment.transforms.crop.pading=2", ["augment.transforms.crop", "'pading'", "Did you mean padding?"]),
    ("train callbacks.checkpoints.monitr=x", ["Did you mean callbacks.checkpoints.monitor?"]),
    ("predict ckpt=good.ckpt input=photos topk=3", ["no key 'topk'", "Did you mean top_k?", "predict has: ckpt"]),
    ("eval chkpt=good.ckpt", ["no key 'chkpt'", "Did you mean ckpt?"]),
    ("eval ckpt=good.ckpt dataset.val_fracton=0.2", ["Did you mean dataset.val_fraction?"]),
    ("list immage_size=3", ["no key 'immage_size'", "Did you mean image_size?"]),
    ("predict input=photos", ["needs ckpt=...", "sensorium predict --help"]),
    ("predict ckpt=good.ckpt", ["needs input=..."]),
    ("eval", ["needs ckpt=..."]),
    ("eval ckpt=good.ckpt dataset_root=photos", ["no key 'dataset_root'", "Did you mean dataset.root?"]),
    ("train dataset_val_fraction=0.1", ["no key 'dataset_val_fraction'", "Did you mean dataset.val_fraction?"]),
    ("predict ckpt=good.ckpt dataset_root=photos", ["predict takes no dataset", "Did you mean input?"]),
    ("predict ckpt=good.ckpt dataset.root=photos", ["predict takes no dataset", "Did you mean input?"]),
]
VALUES = [
    ("eval ckpt=", ["ckpt is empty: give a path"]),
    ("predict ckpt= input=photos", ["ckpt is empty: give a path"]),
    ("train batch_size=0", ["batch_size=0", "a whole number from 1 or auto"]),
    ("train eval_batch_size=0", ["eval_batch_size=0", "a whole number from 1"]),
    ("train seed=1.5", ["seed=1.5", "a whole number"]),
    ("train lr=-1", ["lr=-1", "a number above 0 or find"]),
    ("train lr=abc", ["lr=abc", "a number above 0 or find"]),
    ("train lr=null", ["lr=null", "a number above 0"]),
    ("train label_smoothing=2", ["label_smoothing=2", "from 0 to below 1"]),
    ("train on_bad=skipp", ["on_bad=skipp", "Did you mean skip?", "fail, skip"]),
    ("train on_bad=maybe", ["on_bad=maybe", "fail, skip"]),
    ("train workers=-1", ["workers=-1", "a whole number from 0"]),
    ("train threads=0", ["threads=0", "a whole number from 1 or auto"]),
    ("train memory_format=chanels_last", ["Did you mean channels_last?"]),
    ("train compile=maybe", ["compile=maybe", "true or false"]),
    ("train trainer.devices=0", ["trainer.devices=0", "a number from 1"]),
    ("train trainer.devices=9999 accelerator=cpu", ["trainer.devices=9999", f"{cores()} CPU core", "Allowed: auto or"]),
    ("train trainer.max_epochs=0", ["trainer.max_epochs=0", "a whole number from 1"]),
    ("train trainer.max_epochs=many", ["trainer.max_epochs=many", "a whole number from 1"]),
    ("train trainer.precision=bf16", ["trainer.precision=bf16", "Did you mean bf16-mixed?", "32-true"]),
    ("train trainer.gradient_clip_val=-1", ["trainer.gradient_clip_val=-1", "above 0"]),
    ("train trainer.accumulate_grad_batches=0", ["trainer.accumulate_grad_batches=0", "from 1"]),
    ("train trainer.limit_train_batches=2.5", ["trainer.limit_train_batches=2.5", "a share above 0 such as 0.1"]),
    ("train optimizer.weight_decay=-1", ["optimizer.weight_decay=-1", "a number from 0"]),
    ("train 'optimizer.betas=[2,3]'", ["optimizer.betas=[2,3] is not possible", "two numbers from 0 to below 1"]),
    ("train scheduler.final=2", ["scheduler.final=2 is not possible", "from 0 to 1"]),
    ("train model.dropout=2", ["model: dropout probability has to be between 0 and 1, but got 2"]),
    ("train model.freeze=head", ["model.freeze=head", "Allowed: backbone"]),
    ("train augment.transforms.crop.mode=zeroes", ["no padding mode 'zeroes'", "Did you mean zeros?"]),
    ("train callbacks=ema callbacks.ema.decay=2", ["callbacks.ema.decay=2 is not possible", "below 1"]),
    ("train callbacks.checkpoints.monitor=val/acc", ["'val/acc'", "Did you mean val/accuracy?", "val/loss"]),
    ("train callbacks=early_stopping callbacks.early_stopping.monitor=acc", ["callbacks.early_stopping", "val/loss"]),
    ("train callbacks.checkpoints.mode=maximum", ["'maximum'", "Did you mean max?"]),
    ("train dataset.val_fraction=2", ["dataset.val_fraction=2", "between 0 and 1"]),
    ("train dataset.resize=strech", ["dataset.resize=strech", "Did you mean stretch?"]),
    ("train dataset.channels=2", ["dataset.channels=2", "auto, 1, 3"]),
    ("train dataset.image_size=-3", ["dataset.image_size=-3", "[height,width]"]),
    ("train model._target_=sensorium.models.vision.lenet.LeNett", ["sensorium.models.vision.lenet.LeNett", "_target_"]),
    (
        "train model._target_=sensorium.runs.os.system",
        ["sensorium.runs.os.system is not possible", "Python's standard library"],
    ),
    (
        "train model._target_=os.system +model.command=true",
        ["model._target_=os.system is not possible", "Python's standard library"],
    ),
    ("train model._target_=sensorium.files.meant", ["no key in model (meant) 'width'"]),
    ("train model=perceptron model._target_=sensorium.build.load_data", ["a class of torch.nn.Module"]),
    ("train model._target_=nets.Nett", ["model._target_=nets.Nett", "Did you mean Net?"]),
    ("train model._target_=3", ["model._target_=3 is not possible", "package.Class"]),
    ("train dataset._target_=sensorium.data.vision.digits.scanned_digits", ["dataset", "scanned_digits"]),
    ("train +model._partial_=true", ["model._partial_ has to be omitted"]),
    ("train model.width=-3", ["model: ", "negative", "It was given width=-3, dropout=0.1"]),
    ("train model.width=0", ["sizes start at 1. Look at model.width=0"]),
    ("train model.width=abc", ["model.width=abc is not possible. Allowed: a whole number"]),
    ("train model.width=1.5", ["model.width=1.5 is not possible. Allowed: a whole number"]),
    ("train model.width=true", ["model.width=true is not possible. Allowed: a whole number"]),
    ("train model.width=99999999999999999999999", ["model: ", "width=99999999999999999999999"]),
    ("train optimizer.fused=maybe", ["optimizer.fused=maybe is not possible. Allowed: true or false or null"]),
    ("train optimizer.betas=0.9", ["optimizer.betas=0.9 is not possible", "two numbers"]),
    ("train augment.transforms=3", ["augment.transforms=3 is not possible"]),
    ("train callbacks.checkpoints=3", ["callbacks.checkpoints=3 is not possible"]),
    ("train seed=1e31", ["seed=1e+31 is not possible", "a whole number"]),
    ("train seed=10000000000000000000000000000000", ["seed=10000000000000000000000000000000 is not possible"]),
    ("train threads=99999999999", ["threads=99999999999 is not possible", "from 1 to 1,024 or auto"]),
    ("train run_root=null", ["run_root=null is not possible. Allowed: a path"]),
    ("train run_root=5", ["run_root=5 is not possible. Allowed: a path; ./5 for"]),
    ("train trainer=null", ["trainer=null is not possible", "trainer.KEY=VALUE"]),
    ("train decoding=3", ["decoding=3 is not possible", "decoding.KEY=VALUE"]),
    ("train trainer.deterministic=maybe", ["trainer.deterministic=maybe is not possible", "true, false or warn"]),
    ("train trainer.benchmark=3", ["trainer.benchmark=3 is not possible. Allowed: true or false, or null"]),
    ("train trainer.max_time=soon", ["trainer.max_time=soon is not possible. Allowed: DD:HH:MM:SS"]),
    ("train model.width=${nothing}", ["nothing"]),
    ("train model.width=${no_such:1}", ["no_such"]),
    ("train run_root=file.txt", ["cannot be made in file.txt", "run_root=FOLDER"]),
    ("predict ckpt=good.ckpt input=photos top_k=0", ["top_k=0", "a whole number from 1"]),
    ("predict ckpt=good.ckpt input=photos batch_size=0", ["batch_size=0", "a whole number from 1"]),
    ("predict ckpt=good.ckpt input=photos format=xml", ["format=xml", "table, csv, json"]),
    ("predict ckpt=good.ckpt input=photos accelerator=gpuu", ["accelerator=gpuu", "Did you mean gpu?"]),
    ("predict ckpt=good.ckpt input=photos output=photos", ["output=photos cannot be written"]),
    ("eval ckpt=good.ckpt split=tset", ["split=tset", "Did you mean test?", "val, train, all"]),
    ("eval ckpt=good.ckpt format=jason", ["format=jason", "Did you mean json?"]),
    ("eval ckpt=good.ckpt predictions=xml", ["predictions=xml", "csv, jsonl"]),
    ("eval ckpt=good.ckpt bootstrap=-1", ["bootstrap=-1", "a whole number from 0"]),
    ("eval ckpt=good.ckpt batch_size=0", ["batch_size=0", "a whole number from 1"]),
    ("eval ckpt=good.ckpt folder=file.txt", ["cannot be written to file.txt", "folder=OTHER"]),
    ("list model=lenet num_classes=0", ["num_classes=0", "a whole number from 1"]),
]
FITS = [
    ("train model=airbench_cnn", ["airbench_cnn", "not 8x8", "small_cnn"]),
    ("train model=lenet dataset=image_folder dataset.root=tiny", ["lenet", "at least 5x5", "not 2x2", "model=mlp"]),
    ("train model=convnext_tiny dataset=image_folder dataset.root=tiny", ["convnext_tiny", "2x2", "small_cnn"]),
    ("train model=vit_tiny model.patch_size=16", ["patch", "16", "8x8"]),
    ("train model=torchvision model.name=resnet51", ["torchvision model 'resnet51'", "Did you mean resnet50?"]),
    ("train model=lenet model.pretrained=true", ["has no published weights", "resnet18"]),
    ("train model.init=god.ckpt", ["no file of weights god.ckpt", "Did you mean good.ckpt?"]),
    ("train model.init=words.ckpt", ["words.ckpt is not a checkpoint"]),
    ("train model.init=photos", ["photos is a folder"]),
    ("train model.pretrained=good.ckpt", ["model.pretrained=good.ckpt", "set model.init=good.ckpt"]),
    ("train model=resnet18 model.pretrained=true model.init=good.ckpt", ["model.init=good.ckpt", "leave it out"]),
    ("train model.layer_lr_decay=1.5", ["model.layer_lr_decay=1.5 is not possible", "a share up to 1, or null"]),
    ("train model.unfreeze_epochs=0", ["model.unfreeze_epochs=0 is not possible", "a whole number from 1, or null"]),
    ("train model.unfreeze_epochs=1 model.freeze=backbone", ["Take one of the two"]),
]
DATA = [
    ("train dataset=image_folder", ["dataset.root is not set", "dataset.root=FOLDER"]),
    ("train dataset=image_folder dataset.root=photo", ["there is no such folder", "Did you mean photos?"]),
    ("train dataset=image_folder dataset.root=list.csv", ["is a file", "dataset=image_csv dataset.path=list.csv"]),
    ("train dataset=image_folder dataset.root=empty", ["empty lists no usable image", "empty/CLASS/IMAGE"]),
    ("train dataset=image_folder dataset.root=one", ["only the class 'class_0'", "at least two"]),
    (
        "train dataset=image_folder dataset.root=unlike",
        ["4 problems", "class 'clas_2' is in test but not in train", "nearest is 'class_1'"],
    ),
    ("train dataset=image_folder dataset.root=text", ["text/class_0/000.png", "not a readable image", "on_bad=skip"]),
    ("train dataset=image_folder dataset.root=zero", ["zero/class_0/000.png", "the file is empty", "on_bad=skip"]),
    ("train dataset=image_csv", ["dataset.path is not set", "dataset.path=FILE"]),
    ("train dataset=image_csv dataset.path=photos", ["photos is a folder", "dataset=image_folder dataset.root"]),
    ("train dataset=image_csv dataset.path=lost.csv", ["there is no such file", "Did you mean list.csv?"]),
    ("train dataset=image_csv dataset.path=list.csv", ["no column 'path'", "dataset.path_column=NAME", "file, class"]),
    ("train dataset=mnist", ["mnist is not in", "dataset.download=true"]),
    ("train dataset=cifar10 dataset.root=empty", ["cifar10 is not in empty", "cifar-10-python.tar.gz"]),
    ("eval ckpt=good.ckpt dataset=image_folder dataset.root=nowhere", ["nowhere: there is no such folder"]),
    (
        "eval ckpt=good.ckpt dataset=image_folder dataset.root=photos",
        ["classes that the model was not trained for: class_0, class_1", "It knows: 0, 1, 2"],
    ),
]
CHECKPOINTS = [
    ("predict ckpt=goood.ckpt input=photos", ["no checkpoint goood.ckpt", "Did you mean good.ckpt?", "best.ckpt"]),
    ("predict ckpt=photos input=photos", ["photos is a folder", "photos/checkpoints/best.ckpt"]),
    ("predict ckpt=words.ckpt input=photos", ["words.ckpt is not a checkpoint"]),
    ("predict ckpt=void.ckpt input=photos", ["void.ckpt is not a checkpoint"]),
    ("predict ckpt=pickle.ckpt input=photos", ["pickle.ckpt is not a checkpoint"]),
    ("predict ckpt=cut.ckpt input=photos", ["cut.ckpt is incomplete"]),
    ("predict ckpt=state.ckpt input=photos", ["state.ckpt is not a Sensorium checkpoint"]),
    ("predict ckpt=partial.ckpt input=photos", ["partial.ckpt is not a complete Sensorium checkpoint", "spec"]),
    ("predict ckpt=newer.ckpt input=photos", ["newer.ckpt has checkpoint format 99", "install"]),
    ("predict ckpt=os.ckpt input=photos", ["names os.system", "'model'", "trust=true"]),
    ("predict ckpt=runs.ckpt input=photos", ["names sensorium.runs.os.system", "trust=true"]),
    ("predict ckpt=vit.ckpt input=photos", ["names sensorium.models.vision.vit.torch.load", "trust=true"]),
    ("eval ckpt=os.ckpt", ["names os.system", "trust=true"]),
    ("eval ckpt=data.ckpt", ["names sensorium.runs.os.system", "'dataset'", "trust=true"]),
    ("eval ckpt=good.ckpt compare=lost.ckpt", ["no checkpoint lost.ckpt"]),
    ("eval ckpt=good.ckpt compare=unlike.ckpt", ["compare", "class names"]),
    ("eval ckpt=good.ckpt model=lenet", ["no key 'model'", "eval has: ckpt"]),
    ("train resume=", ["resume= names no run", "Give a run folder"]),
    ("train resume=rnu", ["no run rnu", "Did you mean run?"]),
    ("train resume=photos", ["photos is not a run folder", "photos/config.yaml"]),
    ("train resume=good.ckpt", ["good.ckpt is not in a run folder"]),
    ("train resume=run model=lenet", ["model is fixed by the checkpoint", "model.KEY"]),
    ("train resume=run sead=1", ["no key 'sead'", "Did you mean seed?"]),
    ("train resume=run ~lr", ["~lr", "cannot be removed"]),
    ("train resume=run trainer.max_epochs=many", ["trainer.max_epochs=many is not possible"]),
    ("train resume=run seed=1,2", ["several values"]),
    ("train resume=run lr=abc", ["lr=abc", "a number above 0"]),
    ("train resume=run -m seed=1,2", ["resume continues one run", "-m"]),
]
INPUTS = [
    ("predict ckpt=good.ckpt input=photo", ["input=photo: there is no such file", "Did you mean photos?"]),
    ("predict ckpt=good.ckpt input=photos/*.jpg", ["input=photos/*.jpg: no file matches"]),
    ("predict ckpt=good.ckpt input=empty", ["input=empty", "holds no images"]),
    ("predict ckpt=good.ckpt 'input=[lost.png,vanished.jpg]'", ["input=lost.png", "there is no such file"]),
]
DEVICES = [
    ("train strategy=fsdp accelerator=cpu callbacks=ema", ["callbacks=ema does not work with strategy=fsdp"]),
    *(
        [
            ("train accelerator=gpu", ["accelerator=gpu: no CUDA GPU", "accelerator=cpu"]),
            ("eval ckpt=good.ckpt accelerator=gpu", ["accelerator=gpu: no CUDA GPU", "accelerator=cpu"]),
        ]
        if NO_GPU
        else []
    ),
    *((f"train logger={name}", [repr(name), f"pip install 'sensorium[{name}]'"]) for name in MISSING),
]
TEXTS = [
    ("train resume=earlier", ["earlier was started with an earlier Sensorium", "train anew"]),
    ("train model=lstm_classifier", ["lstm_classifier does not take images of 8x8", "small_cnn"]),
    ("train dataset=contrast_reviews model=lenet", ["lenet does not take texts", "Models that take such data: bag"]),
    ("train dataset=contrast_reviews model=lstm_lm", ["lstm_lm does not take texts", "lstm_classifier"]),
    ("train dataset=number_words model=lstm_lm", ["lstm_lm does not take sentence pairs", "rnn_seq2seq"]),
    ("train dataset=text_csv", ["dataset.path is not set", "dataset.path=FILE"]),
    ("train dataset=text_csv dataset.path=nowhere.csv", ["nowhere.csv", "no such file"]),
    ("train dataset=text_csv dataset.path=list.csv", ["text", "file, class"]),
    ("train dataset=text_folder dataset.root=empty", ["empty"]),
    ("train dataset=text_file dataset.path=nowhere.txt", ["nowhere.txt", "no such"]),
    ("train dataset=multi30k dataset.root=nowhere", ["nowhere", "no such folder"]),
    ("train dataset=number_words dataset.target=es", ["'es'", "de, fr"]),
    ("train dataset=contrast_reviews dataset.tokenizer=words", ["no tokenizer 'words'", "Did you mean word?"]),
    ("train dataset=contrast_reviews dataset.vocab_size=2", ["vocab_size"]),
    ("train model.vectors=glove.txt", ["model.vectors is for text models"]),
    ("train class_weights=blanced", ["class_weights=blanced", "Did you mean balanced?"]),
    ("train batch_tokens=0", ["batch_tokens=0 is not possible", "a whole number from 1, or null"]),
    ("train decoding.beam_size=0", ["decoding.beam_size=0 is not possible"]),
    ("predict ckpt=good.ckpt text=hello", ["text= does not apply to this checkpoint (images", "input="]),
    ("predict ckpt=good.ckpt input=photos prompt=The", ["prompt= does not apply to this checkpoint"]),
    ("predict ckpt=good.ckpt input=photos temperature=-1", ["temperature=-1 is not possible"]),
    ("eval ckpt=good.ckpt,good.ckpt", ["average=true", "compare=OTHER"]),
]
NETS = """
import pathlib
import torch

class Net(torch.nn.Module):
    def __init__(self, *, command: str) -> None:
        super().__init__()
        pathlib.Path("owned").touch()
"""
# Verbs that come before and after a training.
AROUND = [
    ("export", ["export needs ckpt="]),
    ("export good.ckpt", ["'good.ckpt' is not key=value", "sensorium export ckpt="]),
    ("export ckpt=nowhere.ckpt", ["no checkpoint nowhere.ckpt"]),
    ("export ckpt=os.ckpt", ["names os.system", "trust=true"]),
    ("export ckpt=good.ckpt format=onxx", ["format=onxx is not possible", "Did you mean onnx?"]),
    ("export ckpt=good.ckpt output=new.ckpt", ["format=onnx writes .onnx files", "Name a folder"]),
    ("export ckpt=good.ckpt output=good.ckpt", ["output=good.ckpt is the checkpoint"]),
    ("export ckpt=good.ckpt tolerance=2", ["tolerance=2 is not possible"]),
    ("export ckpt=good.ckpt formt=onnx", ["no key 'formt'", "Did you mean format?"]),
    ("explain", ["explain needs ckpt="]),
    ("explain good.ckpt", ["'good.ckpt' is not key=value", "sensorium explain ckpt="]),
    ("explain ckpt=good.ckpt", ["takes one of input=, text=, row=, worst=", "given: none"]),
    ("explain ckpt=nowhere.ckpt input=photos", ["no checkpoint nowhere.ckpt"]),
    ("explain ckpt=os.ckpt input=photos", ["names os.system", "trust=true"]),
    ("explain ckpt=good.ckpt input=nowhere", ["input=nowhere: there is no such file or folder"]),
    ("explain ckpt=good.ckpt text=hello", ["text= does not apply", "It takes input=..."]),
    ("explain ckpt=good.ckpt prompt=hello", ["no key 'prompt'", "explain has: ckpt, input"]),
    ("explain ckpt=good.ckpt input=photos worts=3", ["no key 'worts'", "Did you mean worst?"]),
    ("explain ckpt=good.ckpt input=photos method=gradcamm", ["no method 'gradcamm'", "Did you mean gradcam?"]),
    ("explain ckpt=good.ckpt input=photos method=1", ["no method '1'", "Allowed: auto, gradcam"]),
    ("explain ckpt=good.ckpt input=photos method=rollout", ["method=rollout does not fit this model, SmallCNN"]),
    ("explain ckpt=good.ckpt input=photos target=12", ["no target '12'", "Allowed: 0, 1, 2"]),
    ("explain ckpt=good.ckpt input=photos target=cat", ["no target 'cat'", "Allowed: 0, 1, 2"]),
    ("explain ckpt=good.ckpt input=photos pixel=3,4", ["pixel= does not apply", "Its options: target, top_k"]),
    ("explain ckpt=good.ckpt input=photos pixel=a", ["pixel=a is not possible", "two whole numbers from 0"]),
    ("explain ckpt=good.ckpt input=photos threshold=0.5", ["threshold= does not apply"]),
    ("explain ckpt=good.ckpt input=photos threshold=2", ["threshold=2 is not possible"]),
    ("explain ckpt=good.ckpt row=100000", ["row=100000: the split test has rows 0 to 358"]),
    ("explain ckpt=good.ckpt row=-1", ["row=-1 is not possible", "a row from 0"]),
    ("explain ckpt=good.ckpt row=a", ["row=a is not possible", "a row from 0"]),
    ("explain ckpt=good.ckpt split=valid row=1", ["split=valid is not possible", "Did you mean val?"]),
    ("explain ckpt=good.ckpt worst=0", ["worst=0 is not possible"]),
    ("explain ckpt=good.ckpt worst=3", ["worst= is for the checkpoint of a run", "good.ckpt is not"]),
    ("explain ckpt=good.ckpt row=1 worst=3", ["given: row, worst"]),
    ("explain ckpt=good.ckpt input=photos row=3", ["given: input, row"]),
    ("explain ckpt=good.ckpt input=photos steps=0", ["steps=0 is not possible"]),
    ("explain ckpt=good.ckpt input=photos random_maps=-1", ["random_maps=-1 is not possible"]),
    ("explain ckpt=good.ckpt input=photos top_k=0", ["top_k=0 is not possible"]),
    ("explain ckpt=good.ckpt input=photos nearest=0", ["nearest=0 is not possible"]),
    ("explain ckpt=good.ckpt input=photos nearest=5", ["nearest= needs an index", "ckpt=good.ckpt index=true"]),
    ("explain ckpt=good.ckpt input=photos nearest=5 index=nowhere", ["nowhere holds no index of features"]),
    ("explain ckpt=good.ckpt input=photos index=nowhere", ["index= is for nearest=5"]),
    ("explain ckpt=good.ckpt input=photos format=csv", ["format=csv is not possible", "table, json, jsonl"]),
    ("explain ckpt=good.ckpt input=photos output=good.ckpt", ["output=good.ckpt is the checkpoint"]),
    ("explain ckpt=good.ckpt input=photos accelerator=tpu", ["accelerator=tpu", "Did you mean gpu?"]),
    ("report", ["report needs runs="]),
    ("report nowhere", ["There is no run nowhere", "sensorium list runs"]),
    ("report run nowhere", ["There is no run nowhere"]),
    ("report run run", ["run is given 2 times"]),
    ("report good.ckpt", ["good.ckpt is no run folder"]),
    ("report run output=run/config.yaml", ["output=run/config.yaml is a file of a run"]),
    ("report run output=seeds.pdf", ["output=seeds.pdf", "does not write .pdf files", ".html"]),
    ("report run output=photos", ["photos cannot be written"]),
    ("report run explain=maybe", ["explain=maybe is not possible", "true or false"]),
    ("report run format=pdf", ["no key 'format'", "report has: runs, output"]),
    ("check dataset=digitss", ["no dataset 'digitss'", "Did you mean digits?"]),
    ("check skip=balance", ["skip=balance is not possible", "a list such as [labels,lengths]"]),
    ("check skip=[balanse]", ["skip=[balanse] is not possible"]),
    ("check ckpt=words.ckpt", ["words.ckpt is not a checkpoint"]),
    ("check folder=file.txt", ["file.txt, which is a file", "folder=OTHER"]),
    ("check output=clean.xlsx", ["output=clean.xlsx", "does not write .xlsx files", ".csv"]),
    ("eval ckpt=good.ckpt output=o.xlsx", ["output=o.xlsx", "does not write .xlsx files", ".csv or .json"]),
    ("predict ckpt=good.ckpt input=photos output=o.xlsx", ["does not write .xlsx files", "or set format="]),
    ("explain ckpt=good.ckpt input=photos output=o.xlsx", ["does not write .xlsx files", ".csv or .json"]),
    ("check output=clean.csv", ["these images are not files"]),
    ("check dataset=image_folder dataset.root=photos output=list.csv", ["list.csv already exists", "overwrite=true"]),
    ("check dataset=image_folder dataset.root=empty", ["empty lists no usable image"]),
    ("check dataset=image_folder dataset.rot=photos", ["no key 'dataset.rot'", "Did you mean dataset.root?"]),
    ("check dataset=digits model=lenet", ["no key 'model'", "check has: dataset"]),
    ("check --skip=labels", ["no option '--skip'"]),
    ("eval ckpt=good.ckpt slices=clas", ["nothing named 'clas' to group by", "Did you mean slices=class?"]),
    ("eval ckpt=good.ckpt slices=speaker", ["nothing named 'speaker' to group by", "size, class"]),
    ("eval ckpt=good.ckpt corrupt=maybe", ["corrupt=maybe is not possible", "true or false"]),
    ("eval ckpt=good.ckpt worst=5", ["no key 'worst'. worst= belongs to explain.", "eval has: ckpt"]),
    ("explain ckpt=good.ckpt row=1 on_bad=skip", ["no key 'on_bad'. on_bad= belongs to train and eval"]),
    ("predict ckpt=good.ckpt input=photos epochs=3", ["no key 'epochs'"]),
    ("eval ckpt=good.ckpt corupt=true", ["no key 'corupt'", "Did you mean corrupt?"]),
    ("eval ckpt=good.ckpt index=maybe", ["index=maybe is not possible"]),
    ("eval ckpt=good.ckpt calibrate=good.ckpt", ["calibrate=good.ckpt is the checkpoint"]),
    ("predict ckpt=good.ckpt input=photos coverage=1", ["coverage=1 is not possible", "above 0 and below 1"]),
    ("predict ckpt=good.ckpt input=photos coverage=0.9999", ["at least 9,999 validation examples", "has 143"]),
    ("predict ckpt=good.ckpt input=photos max_error=0", ["max_error=0 is not possible"]),
    ("predict ckpt=good.ckpt input=photos max_error=0.000001", ["6,131,224 validation examples", "has 143"]),
    ("train calibration=maybe", ["calibration=maybe is not possible", "auto, none"]),
    ("train ood=maybe", ["ood=maybe is not possible", "auto, none"]),
    ("train debug=bacth", ["no debug 'bacth'", "Did you mean batch?"]),
    ("train show_batch=1000", ["show_batch=1000 is not possible", "from 1 to 400"]),
    ("train resume=run show_batch=3", ["show_batch shows how a training begins"]),
    ("train resume=run trace=0", ["trace shows how a training begins"]),
    ("train force=maybe", ["force=maybe is not possible"]),
]
CASES = [*VERBS, *OPTIONS, *GROUPS, *KEYS, *VALUES, *FITS, *DATA, *CHECKPOINTS, *INPUTS, *DEVICES, *TEXTS, *AROUND]


def _altered(source: Path, target: Path, change) -> None:
    payload = torch.load(source, map_location="cpu", weights_only=True)
    change(payload["sensorium"])
    torch.save(payload, target)


def _naming(section: str, target: str):
    return lambda about: about["config"].update({section: {"_target_": target, "command": "touch owned"}})


@pytest.fixture(scope="module")
def world(tmp_path_factory, trained_run) -> Path:
    """A folder with everything that the cases name."""
    root = tmp_path_factory.mktemp("world")
    write_picture_folder(root / "photos")
    write_picture_folder(root / "one", classes=1)
    write_picture_folder(root / "tiny", size=2)
    write_picture_folder(root / "unlike", parts=["train", "test"], per_class=4)
    (root / "unlike" / "test" / "class_1").rename(root / "unlike" / "test" / "clas_2")
    (write_picture_folder(root / "text") / "class_0" / "000.png").write_text("not an image")
    (write_picture_folder(root / "zero") / "class_0" / "000.png").write_bytes(b"")
    (root / "empty").mkdir()
    (root / "list.csv").write_text("file,class\na.png,a\n")
    (root / "file.txt").write_text("a file")
    shutil.copytree(trained_run, root / "run")
    shutil.copytree(trained_run, root / "earlier")
    config = root / "earlier" / "config.yaml"
    config.write_text("".join(line for line in config.open() if not line.startswith("batch_tokens:")))
    good = root / "good.ckpt"
    shutil.copy(trained_run / "checkpoints" / "best.ckpt", good)
    (root / "words.ckpt").write_text("hello")
    (root / "void.ckpt").write_bytes(b"")
    (root / "pickle.ckpt").write_bytes(pickle.dumps(Path("a")))
    (root / "cut.ckpt").write_bytes(good.read_bytes()[:20_000])
    torch.save({"weight": torch.zeros(2)}, root / "state.ckpt")
    _altered(good, root / "partial.ckpt", lambda about: about.pop("spec"))
    _altered(good, root / "newer.ckpt", lambda about: about.update(format=99))
    _altered(good, root / "os.ckpt", _naming("model", "os.system"))
    (root / "nets.py").write_text(NETS)
    _altered(good, root / "nets.ckpt", _naming("model", "nets.Net"))
    _altered(good, root / "runs.ckpt", _naming("model", "sensorium.runs.os.system"))
    _altered(good, root / "vit.ckpt", _naming("model", "sensorium.models.vision.vit.torch.load"))
    _altered(good, root / "data.ckpt", _naming("dataset", "sensorium.runs.os.system"))
    _altered(good, root / "unlike.ckpt", lambda about: about["spec"].update(class_names=list("abcdefghij")))
    return root


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_there_are_enough_cases_and_none_twice():
    assert len({command for command, _ in CASES}) == len(CASES) >= 300


@pytest.mark.parametrize(("command", "parts"), CASES, ids=[command for command, _ in CASES])
def test_a_wrong_request_is_answered_in_two_lines(command, parts, world):
    before = files(world)
    result = run_command(shlex.split(command), world)
    assert result.status == 2, result
    assert 1 <= len(result.stderr.splitlines()) <= 2, result.stderr
    assert result.stderr.startswith("sensorium: ")
    assert "Traceback" not in result.stderr + result.stdout
    assert "\x1b" not in result.stderr + result.stdout
    assert [part for part in parts if part not in result.stderr] == [], result.stderr
    assert files(world) == before, "a wrong request leaves nothing behind"


@pytest.mark.parametrize(
    "command",
    ["trian", "predict ckpt=os.ckpt input=photos"],
)
def test_a_new_interpreter_answers_the_same(command, world):
    assert run_process(shlex.split(command), world) == run_command(shlex.split(command), world)


def test_no_code_of_a_checkpoint_has_run(world):
    for name in ("os", "runs", "data"):
        run_command(["eval", f"ckpt={name}.ckpt"], world)
    assert not (world / "owned").exists()
    # Trusted, it is refused all the same: what is no model is not called to find out.
    refused = run_command(["predict", "ckpt=os.ckpt", "input=photos", "trust=true"], world)
    assert refused.status == 2
    assert "model._target_=os.system is not possible" in refused.stderr
    assert not (world / "owned").exists()


def test_code_of_a_checkpoint_runs_when_it_is_a_model_and_trusted(world):
    command = ["predict", "ckpt=nets.ckpt", "input=photos"]
    assert "names nets.Net" in run_command(command, world).stderr
    assert not (world / "owned").exists()
    run_command([*command, "trust=true"], world)
    assert (world / "owned").exists()  # so the refusals are what kept it from running
    (world / "owned").unlink()


def test_every_byte_cut_off_a_checkpoint_is_noticed(world, tmp_path):
    whole = (world / "good.ckpt").read_bytes()
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for kept in (1, 2, 64, 1000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.ckpt").write_bytes(whole[:kept])
        result = run_command(["predict", "ckpt=cut.ckpt", "input=a.png"], tmp_path)
        assert (result.status, len(result.stderr.splitlines())) == (2, 1), result
        assert result.stderr.startswith("sensorium: cut.ckpt is ")


# Found by trying hundreds of requests: what was accepted, hung or was a fault.
MEANINGLESS = [
    ("train optimizer=sgd optimizer.momentum=2", ["optimizer.momentum=2 is not possible", "0 to below 1"]),
    ("train lr=1e30", ["lr=1e+30 is not possible", "to 1,000,000"]),
    ("predict ckpt=good.ckpt input=/", ["/ is the whole file system; name a folder in it"]),
    ("train dataset=image_folder dataset.root=/proc/self", ["/proc/self"]),
    ("train /", ["/ is the whole file system"]),
    ("train batch_tokens=5", ["batch_tokens is for examples of different lengths", "batch_tokens=null"]),
    ("train decoding.beam_size=5", ["decoding.beam_size does not apply to image_classification"]),
    ("train dataset=digit_pose label_smoothing=0.1", ["label_smoothing does not apply", "label_smoothing=0"]),
    ("train task=translation model=mlp", ["task: TranslationModule is not for images", "Leave out task="]),
    ("train task=image_tagging", ["task: ImageTaggingModule is not for images"]),
    ("train task.label_smoothing=2", ["task.label_smoothing=2 is not possible", "from 0 to below 1"]),
    ("train trainer.num_nodes=2", ["trainer.num_nodes=2", "torchrun"]),
    ("train trainer.strategy=ddp_spawn", ["trainer.strategy=ddp_spawn is not possible", "auto, ddp, fsdp"]),
    ("train trainer.devices=[0,0]", ["trainer.devices=[0,0] is not possible"]),
    ("train trainer.devices=[0] accelerator=cpu", ["trainer.devices=[0] names GPUs", "Give a number"]),
    ("train trainer.max_time=00:00:00:00", ["trainer.max_time=00:00:00:00 is not possible"]),
    ("train trainer.limit_test_batches=2", ["trainer.limit_test_batches does not apply here"]),
    ("train trainer.limit_val_batches=0.0001", ["trainer: You requested to check 0.0001"]),
    ("train trainer.val_check_interval=1000", ["trainer.val_check_interval=1000 is more than the 21 batches"]),
    ("train trainer.profiler=xla", ["trainer.profiler=xla is not possible"]),
    ("train trainer.barebones=true", ["trainer.barebones is set by Sensorium itself"]),
    ("train callbacks.checkpoints.every_n_steps=0", ["every_n_steps=0 is not possible", "from 1, or null"]),
    ("train callbacks.checkpoints.every_seconds=-5", ["every_seconds=-5 is not possible"]),
    ("train callbacks.checkpoints.keep_epochs=-1", ["keep_epochs=-1 is not possible"]),
    (
        "train callbacks=early_stopping callbacks.early_stopping.patience=-1",
        ["early_stopping.patience=-1 is not possible"],
    ),
    ("train -m lr=interval(0.1,0.2)", ["lr=interval(0.1,0.2): -m alone tries every value", "search=random"]),
    ("train ~decoding.beam_size", ["decoding.beam_size was removed but is required"]),
    ("train ~seed", ["seed was removed but is required"]),
    ("train ~optimizer.lr", ["optimizer.lr was removed but is required"]),
    ("train ~augment", ["needs an augment"]),
    ("train --experimental-rerun=file.txt", ["no option '--experimental-rerun'"]),
    ("train dataset=image_folder dataset.root=~/no/such", ["/no/such: there is no such folder"]),
    ("eval ckpt=good.ckpt decoding.beam_size=3", ["decoding.beam_size does not apply to image_classification"]),
    (
        "predict ckpt=good.ckpt input=photos length=5",
        ["length= does not apply to this checkpoint", "Its options: top_k"],
    ),
    ("predict ckpt=good.ckpt input=photos decoding.n_best=3", ["decoding.n_best does not apply"]),
    ("list model=lenet num_classes=999999999", ["num_classes=999999999 is not possible", "to 1,000,000"]),
]


@pytest.mark.parametrize(("command", "parts"), MEANINGLESS, ids=[command for command, _ in MEANINGLESS])
def test_what_would_mean_nothing_or_hang_is_refused(command: str, parts: list[str], world: Path) -> None:
    result = run_command(shlex.split(command), world)
    assert result.status == 2, result
    assert len(result.stderr.splitlines()) <= 4
    assert [part for part in parts if part not in result.stderr] == []


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("translation", ["text=one", "top_k=3"]),
        ("translation", ["text=one", "decoding.length_penalty=1e300"]),
        ("boxes", ["input=photos", "top_k=3"]),
        ("speech", ["input=photos", "top_k=3"]),
        ("speech", ["input=list.csv", "decoding.language_model=nowhere.arpa"]),
        ("text", ["text=a", "temperature=5"]),
    ],
)
def test_options_of_other_tasks_are_refused_by_predict(kind: str, given: list[str], world: Path) -> None:
    checkpoint = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "format_2" / f"{kind}.ckpt"
    result = run_command(["predict", f"ckpt={checkpoint}", *given], world)
    assert result.status == 2, result
    assert given[-1].partition("=")[0].removeprefix("decoding.") in result.stderr


def test_checkpoints_that_cannot_be_compared_are_refused_before_any_is_evaluated(world: Path) -> None:
    old = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "format_2"
    # There is no data to evaluate on: whoever read it first would say so.
    for key in (f"compare={old / 'text.ckpt'}", f"compare={old / 'boxes.ckpt'}"):
        result = run_command(["eval", f"ckpt={old / 'image.ckpt'}", key], world)
        assert (result.status, "do not share class names and kind of data" in result.stderr) == (2, True), result


def test_what_a_message_quotes_of_a_file_cannot_steer_a_terminal(world: Path) -> None:
    (world / "odd.csv").write_bytes(b"a\x1b[31m,b\x07" + b"x" * 10000 + b"\n1,2\n")
    result = run_command(["train", "dataset=text_csv", "dataset.path=odd.csv"], world)
    assert result.status == 2
    assert "\x1b" not in result.stderr
    assert "\x07" not in result.stderr
    assert len(result.stderr) < 4000
