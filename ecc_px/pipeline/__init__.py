"""One brain: predict, find cells; and what is written beside the results."""

from ecc_px.pipeline.predict import Prediction, PredictionSettings, predict

__all__ = ["Prediction", "PredictionSettings", "predict"]
