"""The worst errors of a run, by files written by hand."""

from pathlib import Path

import pytest

from sensorium.errors import RequestError
from sensorium.tasks import registry

FILES = {
    "image_classification": (
        "index,name,label,prediction,correct,confidence,label_probability\n"
        "0,a,x,y,false,0.6,0.4\n1,b,x,x,true,0.9,0.9\n2,c,x,y,false,0.8,0.1\n",
        [2, 0],
    ),
    "image_tagging": (
        "index,name,tags,predicted,correct,probability_red,probability_blue\n"
        "0,a,red,,false,0.4,0.1\n1,b,,red,false,0.9,0.0\n2,c,red|blue,red|blue,true,0.9,0.9\n",
        [1, 0],
    ),
    "object_detection": (
        "index,name,class,score,left,top,right,bottom,correct\n"
        "0,a,x,0.9,0,0,1,1,true\n0,a,x,0.4,0,0,1,1,false\n3,b,x,0.5,0,0,1,1,false\n3,b,x,0.3,0,0,1,1,false\n",
        [3, 0],
    ),
    "semantic_segmentation": ("index,name,miou,pixel_accuracy\n0,a,0.5,1\n1,b,0.25,1\n2,c,0.75,1\n", [1, 0]),
    # Mean absolute errors 2 and 20: the second target of row 1 is 2 of them off, the first of row 2 is 1.5.
    "regression/image": (
        "index,name,target_a,prediction_a,error_a,target_b,prediction_b,error_b\n"
        "0,a,0,1,1,0,20,20\n1,b,0,2,2,0,-40,-40\n2,c,0,3,-3,0,0,0\n",
        [1, 2],
    ),
    "speech_recognition": (
        "index,name,speaker,reference,hypothesis,words,substitutions,insertions,deletions\n"
        "0,a,,one two,one six,2,1,0,0\n1,b,,one two,one two,2,0,0,0\n2,c,,,six,0,0,1,0\n3,d,,one two,one,2,0,0,1\n",
        [2, 0],
    ),
    # In common order: two of three words, all, none.
    "translation": (
        "index,source,translation,reference\n0,a,x y z,x y q\n1,b,x y,x y\n2,c,q,x\n",
        [2, 0],
    ),
}


TABLES = {"speech_recognition": "transcripts.csv", "translation": "translations.csv"}


@pytest.mark.parametrize("name", FILES)
def test_the_worst_first(name, tmp_path: Path):
    text, wanted = FILES[name]
    (tmp_path / TABLES.get(name, "predictions.csv")).write_text(text)
    assert registry.get(name).worst_rows(tmp_path, 2) == wanted


def test_a_run_that_was_not_tested(tmp_path):
    with pytest.raises(RequestError, match=r"has no predictions\.csv: worst= is for a run that was tested"):
        registry.get("image_classification").worst_rows(tmp_path, 2)
