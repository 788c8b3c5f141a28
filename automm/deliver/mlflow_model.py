"""Serve a bundle with MLflow: this file is the model ("models from code"), so nothing is pickled.

Input columns: `text` (string), `images` (list of paths, optional), and the manifest's columns of metadata and history.
Output columns: `label` and `probabilities` (as JSON), or `value` for a regression;
`picture_counts` (as JSON); and `error`.
"""

import json
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import numpy as np
import pandas as pd

from automm.data.images.missing_hints import means_no_picture
from automm.data.records.reading import read_columns
from automm.data.records.review import Review
from automm.data.sections import Fields
from automm.deliver.bundle import load_bundle
from automm.deliver.input_reviews import RejectedRecord
from automm.deliver.predict import predict_reviews


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """A bundle behind MLflow's pyfunc interface."""

    def load_context(self, context: Any) -> None:
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        fields = Fields.model_validate(self._bundle.about["reading"]["fields"])
        reviews: list[Review | RejectedRecord] = []
        for number, row in enumerate(model_input.to_dict("records")):
            text, images = row.get("text"), row.get("images")
            # pandas gives None or NaN for a missing cell.
            names = images if isinstance(images, list | tuple | np.ndarray) else ()
            paths = tuple(
                Path(name).absolute() for name in names if isinstance(name, str) and not means_no_picture(name)
            )
            words = text if isinstance(text, str) else ""
            cells = {str(name): cell.tolist() if isinstance(cell, np.ndarray) else cell for name, cell in row.items()}
            try:
                columns = read_columns(cells, fields)
            except ValueError as error:
                reviews.append(RejectedRecord(str(number), str(error), where=f"row {number}", given=len(paths)))
                continue
            reviews.append(Review(str(number), words, paths, None, None, None, f"row {number}", **columns))
        predictions = [prediction for batch in predict_reviews(self._bundle, reviews) for prediction in batch]
        answers = pd.DataFrame(predictions).drop(columns="id")
        for name in {"probabilities", "picture_counts"} & set(answers):
            answers[name] = answers[name].map(json.dumps)
        return answers


mlflow.models.set_model(BundleModel())
