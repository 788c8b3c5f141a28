"""Serve a bundle with MLflow: this file is the model ("models from code"), so nothing is pickled.

Input columns: `text` (string), `images` (a list of paths, or of pictures as base64 text; optional), and the manifest's
columns of metadata and history. Output columns: `label` and `probabilities` (as JSON), or `value` for a regression;
`picture_counts` (as JSON); and `error`.
"""

import json
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import numpy as np
import pandas as pd

from automm.data.images.embedded import EmbeddedFiles
from automm.data.images.of_record import served_pictures
from automm.data.records.reading import read_columns
from automm.data.records.review import Review
from automm.data.sections import Fields
from automm.deliver.bundle import load_bundle
from automm.deliver.input_reviews import RejectedRecord
from automm.deliver.predict import predict_reviews
from automm.paths import cache_dir, cache_limit


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """A bundle behind MLflow's pyfunc interface."""

    def load_context(self, context: Any) -> None:
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        fields = Fields.model_validate(self._bundle.about["reading"]["fields"])
        files = EmbeddedFiles(cache_dir(), cache_limit())
        reviews: list[Review | RejectedRecord] = []
        for number, row in enumerate(model_input.to_dict("records")):
            text = row.get("text")
            words = text if isinstance(text, str) else ""  # pandas gives None or NaN for a missing cell
            cells = {str(name): cell.tolist() if isinstance(cell, np.ndarray) else cell for name, cell in row.items()}
            images = cells.get("images")
            given = len(images) if isinstance(images, list | tuple) else int(isinstance(images, str))
            try:
                paths = served_pictures(images, files)
                columns = read_columns(cells, fields)
            except ValueError as error:
                reviews.append(RejectedRecord(str(number), str(error), where=f"row {number}", given=given))
                continue
            reviews.append(Review(str(number), words, paths, None, None, None, f"row {number}", **columns))
        files.trim()
        predictions = [prediction for batch in predict_reviews(self._bundle, reviews) for prediction in batch]
        answers = pd.DataFrame(predictions).drop(columns="id")
        for name, kind in {**self._bundle.task.record_types, "picture_counts": dict}.items():
            if kind in (dict, list):
                answers[name] = answers[name].map(json.dumps)
        return answers


mlflow.models.set_model(BundleModel())
