/* Writes the features of one row straight from its cells, as a parser of JSON leaves them in a list.
 *
 * Only what is plain: numbers that are filled, shifted and scaled, texts that have a code. For a cell of another type,
 * a number that is too large, or a value that is refused, `write` says no, and the caller goes its longer way, which
 * has the words for it. Every place and every cell is checked where it is used: whatever the plan, the dictionaries and
 * the row hold, nothing outside of them is read or written. The interpreter's lock is kept.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* A number of the layout and its feature: (x - less) / by; without a value, x is `fill`, or the row is refused. */
typedef struct { uint32_t column, at, fills, unused; double fill, less, by; } Number;
/* A feature and its value: a text's code is any number of them. */
typedef struct { uint32_t at, unused; double value; } Code;

typedef struct {
    PyObject_HEAD
    PyObject *numbers; /* bytes: array of Number */
    PyObject *texts;   /* tuple of (column, {text or None: bytes, an array of Code}, that of others, or its function) */
    uint32_t kind, width, columns, words; /* bytes of a feature, features, numbers and texts of the layout */
} Features;

typedef struct { char *to; uint32_t kind, width; } Out;

/* Writes a feature. Returns 0 if it has no place, or if the type has no such number; NaN is one if it may be. */
static int put(const Out *out, uint32_t at, double value, int may_be_nan)
{
    const float narrow = (float)value;
    const int is_finite = out->kind == sizeof narrow ? isfinite(narrow) : isfinite(value);
    if (at >= out->width || !(is_finite || (may_be_nan && isnan(value)))) return 0;
    if (out->kind == sizeof narrow) memcpy(out->to + (size_t)at * sizeof narrow, &narrow, sizeof narrow);
    else memcpy(out->to + (size_t)at * sizeof value, &value, sizeof value);
    return 1;
}

/* Returns the cell of a column, None where the row does not have the column, NULL where it should. */
static PyObject *cell_of(PyObject *cells, const char *places, uint32_t column)
{
    int32_t place;
    memcpy(&place, places + (size_t)column * sizeof place, sizeof place);
    if (place < 0) return Py_None;
    return place < PyList_Size(cells) ? PyList_GetItem(cells, place) : NULL;
}

/* Returns whether all cells have the types of their columns. */
static int are_typed(const Features *self, PyObject *cells, const char *places)
{
    for (uint32_t column = 0; column < self->columns + self->words; column++) {
        PyObject *cell = cell_of(cells, places, column);
        if (cell == Py_None) continue;
        if (!cell) return 0;
        const PyTypeObject *type = Py_TYPE(cell);
        if (column >= self->columns ? type != &PyUnicode_Type
            : type != &PyFloat_Type && type != &PyLong_Type && type != &PyBool_Type) return 0;
    }
    return 1;
}

static int write_numbers(const Features *self, PyObject *cells, const char *places, const Out *out)
{
    const char *from = PyBytes_AsString(self->numbers);
    const Py_ssize_t count = PyBytes_Size(self->numbers) / (Py_ssize_t)sizeof(Number);
    for (Py_ssize_t i = 0; i < count; i++) {
        Number number;
        memcpy(&number, from + i * sizeof number, sizeof number);
        PyObject *cell = cell_of(cells, places, number.column);
        double value = number.fill;
        if (cell == Py_None) {
            if (!number.fills) return 0;
        } else {
            value = Py_TYPE(cell) == &PyFloat_Type ? PyFloat_AsDouble(cell) : PyLong_AsDouble(cell);
            if (value == -1.0 && PyErr_Occurred()) { /* a whole number beyond all floats */
                PyErr_Clear();
                return 0;
            }
        }
        if (!put(out, number.at, (value - number.less) / number.by, cell == Py_None)) return 0;
    }
    return 1;
}

/* Writes the features of a code. Returns 0 where it is none. */
static int write_code(PyObject *code, const Out *out)
{
    if (!PyBytes_Check(code)) return 0;
    const char *from = PyBytes_AsString(code);
    const Py_ssize_t size = PyBytes_Size(code);
    for (Py_ssize_t i = 0; i + (Py_ssize_t)sizeof(Code) <= size; i += sizeof(Code)) {
        Code one;
        memcpy(&one, from + i, sizeof one);
        if (!put(out, one.at, one.value, 1)) return 0;
    }
    return 1;
}

/* Writes the features of a text. Returns -1 where an exception is set. */
static int write_text(PyObject *text, PyObject *cells, const char *places, uint32_t columns, const Out *out)
{
    PyObject *cell = cell_of(cells, places, columns + (uint32_t)PyLong_AsUnsignedLong(PyTuple_GetItem(text, 0)));
    /* Once more: the function of another text may have changed the list since `are_typed`. */
    if (!cell || (cell != Py_None && Py_TYPE(cell) != &PyUnicode_Type)) return 0;
    PyObject *code = PyDict_GetItemWithError(PyTuple_GetItem(text, 1), cell);
    if (!code && PyErr_Occurred()) return -1;
    PyObject *others = PyTuple_GetItem(text, 2);
    if (code || !PyCallable_Check(others)) return write_code(code ? code : others, out);
    Py_INCREF(cell); /* the function may change the list, which alone holds the cell */
    code = PyObject_CallFunctionObjArgs(others, cell, NULL);
    Py_DECREF(cell);
    const int written = code ? write_code(code, out) : -1;
    Py_XDECREF(code);
    return written;
}

/* Returns whether the row is written, -1 where an exception is set. */
static int write_row(const Features *self, PyObject *cells, const char *places, const Out *out)
{
    if (!are_typed(self, cells, places) || !write_numbers(self, cells, places, out)) return 0;
    int written = 1;
    for (Py_ssize_t i = 0; written == 1 && i < PyTuple_Size(self->texts); i++)
        written = write_text(PyTuple_GetItem(self->texts, i), cells, places, self->columns, out);
    return written;
}

PyDoc_STRVAR(write_doc,
    "write(cells, places, features, /)\n--\n\nWrites the features of a row; returns whether it could.\n\n"
    "cells: a list; places: int32 for each number and then each text, -1 for none; features: of the plan's kind.");

static PyObject *features_write(PyObject *object, PyObject *args)
{
    const Features *self = (const Features *)object;
    PyObject *cells;
    Py_buffer places, features;
    if (!PyArg_ParseTuple(args, "O!y*w*", &PyList_Type, &cells, &places, &features)) return NULL;
    const Out out = {features.buf, self->kind, self->width};
    const size_t columns = (size_t)self->columns + self->words;
    const int fits = (size_t)features.len == (size_t)self->width * self->kind
        && (size_t)places.len == columns * sizeof(int32_t);
    const int written = fits ? write_row(self, cells, places.buf, &out) : 0;
    PyBuffer_Release(&places);
    PyBuffer_Release(&features);
    if (!fits) return PyErr_Format(PyExc_ValueError, "places or features are not of the plan's row");
    return written < 0 ? NULL : PyBool_FromLong(written);
}

/* Returns what is wrong with a plan. */
static const char *check(const Features *self)
{
    if (self->kind != sizeof(float) && self->kind != sizeof(double)) return "features have 4 or 8 bytes";
    if (PyBytes_Size(self->numbers) % sizeof(Number)) return "a number is cut off";
    for (Py_ssize_t i = 0; i < PyBytes_Size(self->numbers) / (Py_ssize_t)sizeof(Number); i++) {
        Number number;
        memcpy(&number, PyBytes_AsString(self->numbers) + i * sizeof number, sizeof number);
        if (number.column >= self->columns) return "a number has no column";
        if (!(number.by != 0)) return "a number is divided by zero";
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(self->texts); i++) {
        PyObject *text = PyTuple_GetItem(self->texts, i);
        if (!PyTuple_Check(text) || PyTuple_Size(text) != 3 || !PyDict_Check(PyTuple_GetItem(text, 1)))
            return "a text is not (column, codes, others)";
        if (PyLong_AsUnsignedLong(PyTuple_GetItem(text, 0)) >= self->words) return "a text has no column";
    }
    return NULL;
}

static PyObject *features_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Features given = {0};
    if (kwargs && PyDict_Size(kwargs)) return PyErr_Format(PyExc_TypeError, "Features takes no keywords");
    if (!PyArg_ParseTuple(args, "IIIISO!", &given.kind, &given.width, &given.columns, &given.words, &given.numbers,
            &PyTuple_Type, &given.texts)) return NULL;
    const char *problem = check(&given);
    if (problem) {
        PyErr_SetString(PyExc_ValueError, problem);
        return NULL;
    }
    Features *self = (Features *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    given.ob_base = self->ob_base;
    *self = given;
    Py_INCREF(self->numbers);
    Py_INCREF(self->texts);
    return (PyObject *)self;
}

static void features_dealloc(PyObject *object)
{
    Features *self = (Features *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->numbers);
    Py_XDECREF(self->texts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef features_methods[] = {{"write", features_write, METH_VARARGS, write_doc}, {NULL, NULL, 0, NULL}};

static PyType_Slot features_slots[] = {
    {Py_tp_new, features_new},
    {Py_tp_dealloc, features_dealloc},
    {Py_tp_methods, features_methods},
    {Py_tp_doc, "Features(kind, width, columns, words, numbers, texts, /)\n--\n\nWrites rows by a plan: see features.c. Raises\n"
        "ValueError if the plan is wrong."},
    {0, NULL},
};

static PyType_Spec features_spec = {
    "waypost_walk.Features", sizeof(Features), 0, Py_TPFLAGS_DEFAULT, features_slots,
};

int add_features(PyObject *module);
int add_features(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &features_spec, NULL);
    const int added = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
    Py_XDECREF(type);
    return added;
}
