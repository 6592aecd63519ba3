"""Compiles the fitted transformers before an estimator to a plan."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from waypost.contracts.mlmodel import Column
from waypost.inference.asking_encoders import Code, asked
from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.coded import Coded
from waypost.inference.features import Numbers
from waypost.inference.layout import EXACT
from waypost.inference.learned import NotCompilableError
from waypost.inference.number_steps import number_steps
from waypost.inference.preprocessing import Part, Plan
from waypost.inference.steps import Chain, Filled, Scaled, Step
from waypost.inference.words import Words


def is_sparse(steps: list[Any]) -> bool:
    """Whether the features are a sparse matrix."""
    return any(
        getattr(step, "sparse_output_", False)
        or getattr(step, "sparse_output", False)
        or getattr(step, "encode", "") == "onehot"
        for step in steps
    )


def plan_of(steps: list[Any], columns: Sequence[Column], *, takes_missing: bool) -> Plan:
    """Returns the plan of the transformers before an estimator. Raises NotCompilableError."""
    from sklearn.compose import ColumnTransformer

    after: list[Step] = []
    if steps and isinstance(steps[0], ColumnTransformer):
        found = _side_by_side(steps[0], columns)
        after = number_steps(steps[1:], is_sparse=is_sparse(steps[:1]))
    else:
        found = _parts(steps, [c.name for c in columns], columns)
    single = bool(after) and all(isinstance(part, Numbers | Chain) and part.single for part in found)
    parts = [_with_missing(part) if takes_missing else _without_nan(part) for part in found]
    return Plan(parts=parts, after=after, single=single)


def _with_missing(part: Part) -> Part:
    """Returns a part that passes missing values to the trees."""
    if isinstance(part, Numbers):
        return part if part.fill else part.model_copy(update={"missing": True})
    return part.model_copy(update={"missing": True}) if isinstance(part, Chain) else part


def _without_nan(part: Part) -> Part:
    """Returns a part that refuses values with the code NaN, as the estimator does."""
    if not isinstance(part, Coded):
        return part
    codings = [
        coding.model_copy(update={"codes": [None if _has_nan(code) else code for code in coding.codes]})
        for coding in part.codings
    ]
    return part.model_copy(update={"codings": codings})


def _has_nan(code: Code) -> bool:
    return code is not None and any(value is None for _, value in code)


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
        parts += _parts([s for s in chain if s != "passthrough"], names, columns)
    return parts


def _names(chosen: Any, transformer: Any, part: str) -> list[str]:
    names = [chosen] if isinstance(chosen, str) else chosen
    if hasattr(transformer, "feature_names_in_"):
        known = [str(name) for name in transformer.feature_names_in_]
        if isinstance(names, slice) and not isinstance(names.start or names.stop, str):
            return known[names]
        if not isinstance(names, slice):
            if len(names) == len(known) and all(isinstance(name, (bool, np.bool_)) for name in names):
                return [name for name, is_chosen in zip(known, names, strict=True) if is_chosen]
            if all(isinstance(name, (int, np.integer)) for name in names):
                return [known[int(name)] for name in names]
    if not isinstance(names, slice) and all(isinstance(name, str) for name in names):
        return list(names)
    raise NotCompilableError(f"ColumnTransformer: {part}: columns are not given by name")


def _parts(steps: list[Any], names: list[str], columns: Sequence[Column]) -> list[Part]:
    """Returns the parts equivalent to a chain of transformers over some columns, usually one."""
    kinds = {c.name: c.kind for c in columns}
    if unknown := [name for name in names if name not in kinds]:
        raise NotCompilableError(f"column {unknown[0]!r} is not in the model's signature")
    if other := [name for name in names if kinds[name] == "other"]:
        raise NotCompilableError(f"column {other[0]!r} has neither numbers nor text")
    texts = {name for name in names if kinds[name] == "text"}
    if _ends_in_encoder(steps):
        with contextlib.suppress(NotCompilableError):  # there is a fast part for the usual case
            return [_usual_categories(steps, names, texts)]
        return [*asked(steps, names, texts)]
    if not texts:
        types = {c.type for c in columns if c.name in names}
        single = types in ({"float"}, {"float", "boolean"})  # scikit-learn takes both as 32 bits
        found = _numbers(steps, names, is_single=single)
        return [_of_32_bits(found) if single else found]
    if len(texts) == len(names) and steps:
        return [_texts(steps, names)]
    raise NotCompilableError(f"column {names[0]!r}: numbers and text share a step that is not an encoder")


def _of_32_bits(part: Numbers | Chain) -> Numbers | Chain:
    """Returns a part with 32-bit constants, as in scikit-learn if all columns have 32 bits."""
    if isinstance(part, Chain):
        return part.model_copy(update={"single": True})
    names = ("fill", "subtract", "divide")
    rounded = {n: np.float32(values).tolist() for n in names if (values := getattr(part, n)) is not None}
    return part.model_copy(update={"single": True, **rounded})


def _numbers(steps: list[Any], names: list[str], *, is_single: bool) -> Numbers | Chain:
    """Returns the part for numbers: the fast one if they are imputed and scaled in the usual way."""
    found = number_steps(steps)
    fill = subtract = divide = None
    for number, step in enumerate(found):
        if isinstance(step, Filled) and number == 0 and _is_plain(step):
            fill = [float(value) for value in step.values if value is not None]
        elif isinstance(step, Scaled) and number == len(found) - 1 and _is_usual(step, is_single=is_single):
            subtract, divide = step.subtract, step.divide
        else:
            return Chain(columns=names, steps=found)
    return Numbers(columns=names, fill=fill, subtract=subtract, divide=divide)


def _is_usual(step: Scaled, *, is_single: bool) -> bool:
    """Whether a step is what the quick part does, which rounds its constants where all is of 32 bits."""
    return step.multiply is None and (step.rounded or not is_single)


def _is_plain(step: Filled) -> bool:
    return not step.flags and step.sign is None and None not in step.values


def _ends_in_encoder(steps: list[Any]) -> bool:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

    return bool(steps) and isinstance(steps[-1], (OneHotEncoder, OrdinalEncoder, TargetEncoder))


def _usual_categories(steps: list[Any], names: list[str], texts: Collection[str]) -> Part:
    """Returns the part for an encoder with the usual options. Raises NotCompilableError."""
    if texts and len(texts) < len(names):
        raise NotCompilableError("numbers and text share an encoder")
    return _text_categories(steps, names) if texts else _number_categories(steps, names)


def _text_categories(steps: list[Any], names: list[str]) -> Codes | OneHot:
    """Returns the part for texts as categories. Raises NotCompilableError."""
    from sklearn.preprocessing import OrdinalEncoder

    last = steps[-1]
    kind = Codes if isinstance(last, OrdinalEncoder) else OneHot
    return kind(columns=names, categories=_categories(_checked_encoder(last)), fill=_fill_of(steps[:-1], str))


def _number_categories(steps: list[Any], names: list[str]) -> NumberCategories:
    """Returns the part for numbers as categories: 4 and 4.0 are the same, and so are true and 1."""
    from sklearn.preprocessing import OneHotEncoder

    last = _checked_encoder(steps[-1])
    categories = [np.asarray(values) for values in last.categories_]
    if any(values.dtype.kind not in "biuf" for values in categories):
        raise NotCompilableError(f"{type(last).__name__} of numbers with categories that are not numbers")
    floats = [values.astype(np.float64) for values in categories]
    fill = _fill_of(steps[:-1], (int, float))
    if any(not np.isfinite(values).all() or (np.diff(values) <= 0).any() for values in floats):
        raise NotCompilableError(
            f"{type(last).__name__} with a missing category, or two that are the same float64"
        )
    if any((np.abs(values[values != fill]) >= EXACT).any() for values in floats):
        raise NotCompilableError(f"{type(last).__name__} with a category beyond 2^53, which float64 rounds")
    spread = isinstance(last, OneHotEncoder)
    found = [values.tolist() for values in floats]
    return NumberCategories(columns=names, categories=found, fill=fill, spread=spread)


def _texts(steps: list[Any], names: list[str]) -> Part:
    from sklearn.feature_extraction.text import CountVectorizer

    last = steps[-1]
    if isinstance(last, CountVectorizer) and len(names) == 1:
        return _words(last, names[0], _fill_of(steps[:-1], str))
    raise _unknown(last)


def _checked_encoder(encoder: Any) -> Any:
    """Returns an encoder. Raises NotCompilableError for another treatment of unknown values."""
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if not isinstance(encoder, (OneHotEncoder, OrdinalEncoder)):
        raise _unknown(encoder)
    if isinstance(encoder, OrdinalEncoder):
        if (
            encoder.handle_unknown != "use_encoded_value"
            or encoder.unknown_value != -1
            or _folds_rare(encoder)
        ):
            raise NotCompilableError("OrdinalEncoder without -1 for unknown values")
    elif encoder.handle_unknown != "ignore" or encoder.drop is not None or _folds_rare(encoder):
        raise NotCompilableError("OneHotEncoder without 0 for unknown values")
    return encoder


def _fill_of(steps: list[Any], kind: type | tuple[type, ...]) -> Any:
    """Returns the fill value for missing values of the last of some steps, None if there is none."""
    fill = None
    for step in steps:
        filled = _filled(step, kind)
        fill = fill if filled is None else filled
    return fill


def _filled(step: Any, kind: type | tuple[type, ...]) -> Any:
    """Returns a step's fill value for missing values, None for a step that only flattens."""
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
        raise NotCompilableError(f"{type(encoder).__name__} with categories that are not text")
    return found


def _check_words(vectorizer: Any, *, weighs: bool) -> None:
    """Raises NotCompilableError for an option of a vectorizer that has no compiled form."""
    noun, analyzer = type(vectorizer).__name__, vectorizer.analyzer
    own = [n for n in ("preprocessor", "tokenizer", "strip_accents") if getattr(vectorizer, n) is not None]
    if own or callable(analyzer):
        raise NotCompilableError(f"{noun} with its own {own[0] if own else 'analyzer'}")
    if analyzer != "word":
        raise NotCompilableError(f"{noun} with the analyzer {analyzer!r}: only words are compiled")
    if weighs and np.dtype(vectorizer.dtype) != np.float64:
        raise NotCompilableError(f"{noun} of {np.dtype(vectorizer.dtype)}: leave its dtype at float64")


def _words(vectorizer: Any, column: str, fill: str | None) -> Words:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
        raise _unknown(vectorizer)
    weighs = isinstance(vectorizer, TfidfVectorizer)
    _check_words(vectorizer, weighs=weighs)
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
