"""From a fitted scikit-learn pipeline to its compiled form, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from waypost.contracts.mlmodel import Column
from waypost.inference.catboost_trees import learned_by_catboost
from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.compiled import Content, Cut
from waypost.inference.features import Numbers
from waypost.inference.learned import Learned, NotCompilableError
from waypost.inference.lightgbm_trees import learned_by_lightgbm
from waypost.inference.preprocessing import Part, Plan
from waypost.inference.sklearn_models import learned_by_sklearn
from waypost.inference.trees import FormError, from_bytes, leading_feature
from waypost.inference.words import Words
from waypost.inference.xgboost_trees import learned_by_xgboost

_BORDERS, _BORDER_TREES = 100, 50  # thresholds that are probed: so many a feature, of so many trees


def compiled_form(model: Any, columns: Sequence[Column]) -> tuple[Content, bytes | None]:
    """Returns (content, trees as they are stored) of a fitted pipeline.

    Raises NotCompilableError that names the part which has no compiled form.
    """
    if not columns:
        raise NotCompilableError("the model's signature names no columns")
    if gaps := [c.name for c in columns if c.kind == "boolean" and not c.required]:
        raise NotCompilableError(
            f"column {gaps[0]!r}: a boolean that may be missing is read by MLflow in its own way"
        )
    steps, estimator, cut = _taken_apart(model)
    try:
        found = _learned(estimator)
    except FormError as error:
        raise NotCompilableError(str(error)) from error
    plan = Plan(parts=_parts(steps, columns, takes_missing=found.takes_missing))
    if plan.width != found.width:
        raise NotCompilableError(f"the plan gives {plan.width} features, the model takes {found.width}")
    content = Content(
        plan=plan,
        trees=found.count,
        leading=leading_feature(found.trees) if found.trees else 0,
        classes=found.classes,
        cut=cut,
        kind=found.kind,
        link=found.link,
        from_zero=found.from_zero,
        by_probability=found.by_probability,
        is_single=found.is_single,
        weights=found.weights,
        tolerance=found.tolerance,
    )
    return content, found.trees.to_bytes() if found.trees else None


def _learned(estimator: Any) -> Learned:
    """Returns what an estimator has learned, by the library that it is of. Raises NotCompilableError."""
    readers = {
        "lightgbm": learned_by_lightgbm,
        "xgboost": learned_by_xgboost,
        "catboost": learned_by_catboost,
    }
    return readers.get(type(estimator).__module__.partition(".")[0], learned_by_sklearn)(estimator)


def _taken_apart(model: Any) -> tuple[list[Any], Any, Cut | None]:
    """Returns (what makes the features, the forest, the threshold of its answer) of a fitted model.

    The threshold is that of scikit-learn's classifier around the forest or around the whole pipeline.
    """
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.pipeline import Pipeline

    cut = None
    steps: list[Any] = []
    while isinstance(model, (FixedThresholdClassifier, Pipeline)):
        if isinstance(model, Pipeline):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
        else:
            cut = cut or _cut(model)
            model = getattr(model, "estimator_", model.estimator)
    return steps, model, cut


def _cut(model: Any) -> Cut:
    """Returns the threshold of a classifier. Raises NotCompilableError for one over other figures."""
    if model.response_method not in ("auto", "predict_proba"):
        raise NotCompilableError(f"FixedThresholdClassifier over its {model.response_method}")
    classes = model.classes_.tolist()
    positive = classes[-1] if model.pos_label is None else model.pos_label
    threshold = 0.5 if model.threshold == "auto" else float(model.threshold)
    if len(classes) != 2 or positive not in classes or not np.isfinite(threshold):
        raise NotCompilableError(f"FixedThresholdClassifier at {threshold} for {positive!r} of {classes}")
    return Cut(positive=classes.index(positive), threshold=threshold)


def borders_of(form: bytes | None) -> dict[int, list[float]]:
    """Returns thresholds of a form's trees, by the number of their feature, some of each."""
    if form is None:
        return {}
    trees = from_bytes(form)
    found: dict[int, set[float]] = {}
    for start, end in list(trees.spans())[:_BORDER_TREES]:
        inner = np.flatnonzero(~trees.is_leaf[start:end]) + start
        for feature, threshold in zip(
            trees.feature[inner].tolist(), trees.threshold[inner].tolist(), strict=True
        ):
            if len(of := found.setdefault(feature, set())) < _BORDERS:
                of.add(threshold)
    return {feature: sorted(of) for feature, of in found.items()}


def _parts(steps: list[Any], columns: Sequence[Column], *, takes_missing: bool) -> list[Part]:
    from sklearn.compose import ColumnTransformer

    if len(steps) == 1 and isinstance(steps[0], ColumnTransformer):
        found = _side_by_side(steps[0], columns)
    else:
        found = [_part(steps, [c.name for c in columns], columns)]
    return [_with_missing(part) if takes_missing and isinstance(part, Numbers) else part for part in found]


def _with_missing(part: Numbers) -> Numbers:
    return part if part.fill else part.model_copy(update={"missing": True})


def _side_by_side(transformer: Any, columns: Sequence[Column]) -> list[Part]:
    from sklearn.pipeline import Pipeline

    if transformer.transformer_weights:
        raise NotCompilableError("ColumnTransformer with transformer_weights")
    parts = []
    for name, step, chosen in transformer.transformers_:
        if step == "drop":
            continue
        names = _names(chosen, transformer, name)
        if not names:
            continue
        chain = [s for _, s in step.steps] if isinstance(step, Pipeline) else [step]
        parts.append(_part([s for s in chain if s != "passthrough"], names, columns))
    return parts


def _names(chosen: Any, transformer: Any, part: str) -> list[str]:
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    if all(isinstance(name, str) for name in names):
        return names
    if all(isinstance(name, (int, np.integer)) for name in names) and hasattr(
        transformer, "feature_names_in_"
    ):
        return [str(transformer.feature_names_in_[name]) for name in names]
    raise NotCompilableError(f"ColumnTransformer: {part}: columns are not given by name")


def _part(steps: list[Any], names: list[str], columns: Sequence[Column]) -> Part:
    """Returns the part that a chain of transformers over some columns amounts to."""
    kinds = {c.name: c.kind for c in columns}
    if unknown := [name for name in names if name not in kinds]:
        raise NotCompilableError(f"column {unknown[0]!r} is not in the model's signature")
    if other := [name for name in names if kinds[name] == "other"]:
        raise NotCompilableError(f"column {other[0]!r} holds neither numbers nor texts")
    if all(kinds[name] != "text" for name in names):
        if _ends_in_encoder(steps):
            return _number_categories(steps, names)
        single = {c.type for c in columns if c.name in names} == {"float"}
        return _of_32_bits(_numbers(steps, names)) if single else _numbers(steps, names)
    if all(kinds[name] == "text" for name in names) and steps:
        return _texts(steps, names)
    raise NotCompilableError(f"column {names[0]!r}: numbers and texts share a step")


def _of_32_bits(part: Numbers) -> Numbers:
    """Returns a part whose constants are of 32 bits, as scikit-learn makes them for columns that all are."""
    names = ("fill", "subtract", "divide")
    rounded = {n: np.float32(values).tolist() for n in names if (values := getattr(part, n)) is not None}
    return part.model_copy(update={"single": True, **rounded})


def _numbers(steps: list[Any], names: list[str]) -> Numbers:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    fill = subtract = divide = None
    for step in steps:
        if isinstance(step, SimpleImputer) and subtract is divide is fill is None:
            fill = _fill_values(step)
        elif isinstance(step, StandardScaler) and subtract is divide is None:
            subtract = step.mean_.tolist() if step.with_mean else None
            divide = step.scale_.tolist() if step.with_std else None
        else:
            raise _unknown(step)
    return Numbers(columns=names, fill=fill, subtract=subtract, divide=divide)


def _fill_values(step: Any) -> list[float]:
    values = np.asarray(step.statistics_, dtype=np.float64)
    missing = step.missing_values
    if step.add_indicator or not (isinstance(missing, float) and np.isnan(missing)):
        raise NotCompilableError("SimpleImputer with an indicator or with another sign for missing values")
    if np.isnan(values).any():
        if not step.keep_empty_features:
            raise NotCompilableError("SimpleImputer that leaves out columns without any value")
        values = np.where(np.isnan(values), 0.0, values)
    return [float(value) for value in values]


def _ends_in_encoder(steps: list[Any]) -> bool:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    return bool(steps) and isinstance(steps[-1], (OneHotEncoder, OrdinalEncoder))


def _number_categories(steps: list[Any], names: list[str]) -> NumberCategories:
    """Returns the part for numbers that are categories: 4 and 4.0 are one, and so are true and 1."""
    from sklearn.preprocessing import OneHotEncoder

    last = _checked_encoder(steps[-1])
    categories = [np.asarray(values) for values in last.categories_]
    if any(values.dtype.kind not in "biuf" for values in categories):
        raise NotCompilableError(f"{type(last).__name__} of numbers with categories that are none")
    floats = [values.astype(np.float64) for values in categories]
    if any(not np.isfinite(values).all() or (np.diff(values) <= 0).any() for values in floats):
        raise NotCompilableError(
            f"{type(last).__name__} with a missing category, or with two that are one float64"
        )
    fill = _fill_of(steps[:-1], (int, float))
    spread = isinstance(last, OneHotEncoder)
    found = [values.tolist() for values in floats]
    return NumberCategories(columns=names, categories=found, fill=fill, spread=spread)


def _texts(steps: list[Any], names: list[str]) -> Part:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    fill: str | None = _fill_of(steps[:-1], str)
    last = steps[-1]
    if isinstance(last, (OneHotEncoder, OrdinalEncoder)):
        kind = Codes if isinstance(last, OrdinalEncoder) else OneHot
        return kind(columns=names, categories=_categories(_checked_encoder(last)), fill=fill)
    if isinstance(last, CountVectorizer) and len(names) == 1:
        return _words(last, names[0], fill)
    raise _unknown(last)


def _checked_encoder(encoder: Any) -> Any:
    """Returns an encoder. Raises NotCompilableError if it treats what it does not know in its own way."""
    from sklearn.preprocessing import OrdinalEncoder

    if isinstance(encoder, OrdinalEncoder):
        if (
            encoder.handle_unknown != "use_encoded_value"
            or encoder.unknown_value != -1
            or _folds_rare(encoder)
        ):
            raise NotCompilableError("OrdinalEncoder other than with -1 for unknown values")
    elif encoder.handle_unknown != "ignore" or encoder.drop is not None or _folds_rare(encoder):
        raise NotCompilableError("OneHotEncoder other than with 0 for unknown values")
    return encoder


def _fill_of(steps: list[Any], kind: type | tuple[type, ...]) -> Any:
    """Returns what the last of some steps puts in the place of missing values, None where none does."""
    fill = None
    for step in steps:
        filled = _filled(step, kind)
        fill = fill if filled is None else filled
    return fill


def _filled(step: Any, kind: type | tuple[type, ...]) -> Any:
    """Returns what a step puts in the place of missing values, None for one that only flattens."""
    import operator

    from sklearn.preprocessing import FunctionTransformer

    if isinstance(step, FunctionTransformer) and not step.kw_args:
        if step.func is np.ravel:
            return None
        if isinstance(step.func, operator.methodcaller):
            reduced = step.func.__reduce__()
            if reduced[1][0] == "fillna" and len(reduced[1]) == 2 and isinstance(reduced[1][1], kind):
                return reduced[1][1]
    raise _unknown(step)


def _folds_rare(encoder: Any) -> bool:
    return encoder.min_frequency is not None or encoder.max_categories is not None


def _categories(encoder: Any) -> list[list[str]]:
    found = [values.tolist() for values in encoder.categories_]
    if not all(isinstance(value, str) for values in found for value in values):
        raise NotCompilableError(f"{type(encoder).__name__} with categories that are no text")
    return found


def _words(vectorizer: Any, column: str, fill: str | None) -> Words:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
        raise _unknown(vectorizer)
    own = [n for n in ("preprocessor", "tokenizer", "strip_accents") if getattr(vectorizer, n) is not None]
    if own or vectorizer.analyzer != "word":
        raise NotCompilableError(f"TfidfVectorizer with its own {own[0] if own else 'analyzer'}")
    weighs = isinstance(vectorizer, TfidfVectorizer)
    return Words(
        column=column,
        fill=fill,
        vocabulary={term: int(position) for term, position in vectorizer.vocabulary_.items()},
        weights=vectorizer.idf_.tolist() if weighs and vectorizer.use_idf else None,
        pattern=vectorizer.token_pattern,
        lowercase=vectorizer.lowercase,
        ngrams=vectorizer.ngram_range,
        stop_words=sorted(vectorizer.get_stop_words() or ()),
        binary=vectorizer.binary,
        sublinear=weighs and vectorizer.sublinear_tf,
        norm=vectorizer.norm if weighs else None,
    )


def _unknown(step: Any) -> NotCompilableError:
    return NotCompilableError(f"{type(step).__name__} has no compiled form")
