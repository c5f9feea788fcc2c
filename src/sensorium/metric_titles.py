"""Metrics as people write them, whose names in metrics.csv and metrics.json are short."""

TITLES = {
    "token_error": "token error rate",
    "map": "mAP",
    "map50": "mAP at IoU 0.5",
    "map75": "mAP at IoU 0.75",
    "miou": "mean IoU",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "bleu": "BLEU",
    "chrf": "chrF",
    "wer": "word error rate",
    "cer": "character error rate",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "mae": "MAE",
    "rmse": "RMSE",
    "lr": "learning rate",
    "top5_accuracy": "top-5 accuracy",
    "calibration_error": "calibration error",
}
