"""One brain: predict, find cells; and what is written beside the results."""

from ecc_px.pipeline.predict import Prediction, predict
from ecc_px.pipeline.settings import PredictionSettings

__all__ = ["Prediction", "PredictionSettings", "predict"]
