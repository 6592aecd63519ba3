/* Walks the trees of a form: many at a time, so that the processor waits for their cache misses at once.
 *
 * A form is one piece of bytes, little-endian, described in waypost/inference/trees.py. It is copied, and all of it is
 * checked before anything is followed: whatever bytes come, nothing outside of the copy is read, and every walk ends.
 * What is checked stays so, since nobody else has the copy; therefore the walk itself checks nothing, needs no lock,
 * and gives the interpreter back while it lasts.
 */
#include "walk.h"

#define LANES 256  /* trees that a row meets at a time */
#define MANY 16    /* rows from which on trees meet the rows of a block; below, a row meets all trees */
enum { DEEPEST = 1000, MOST_NODES = 1 << 26, MOST_OUTPUTS = 1 << 16 };

/* A row meets trees from the first root on. */
BOTH(row, lanes, j, feature, ABOVE_OR_NAN)

static void add_row(const Trees *self, const char *x, double *sums)
{
    uint32_t at[LANES];
    for (uint32_t first = 0; first < self->head.trees; first += LANES) {
        const uint32_t left = self->head.trees - first, lanes = left < LANES ? left : LANES;
        (self->narrow ? row_narrow : row_wide)(self, self->roots + first, at, x, lanes);
        for (uint32_t j = 0; j < lanes; j++) __builtin_prefetch(self->values + (size_t)at[j] * self->head.per_leaf);
        for (uint32_t j = 0; j < lanes; j++) add(self, sums, first + j, at[j]);
    }
}

/* Where there is `room`, the rows meet the trees together. */
static void add_all(const Trees *self, const char *x, char *room, double *sums, size_t rows)
{
    const size_t row_bytes = (size_t)self->head.width * self->head.kind, outputs = self->head.outputs;
    for (size_t row = 0; row < rows; row++) memcpy(sums + row * outputs, self->start, outputs * sizeof *sums);
    if (room) add_rows(self, x, room, sums, rows);
    else for (size_t row = 0; row < rows; row++) add_row(self, x + row * row_bytes, sums + row * outputs);
}

/* Returns what is wrong with a node of the tree from `root` to before `end`; notes the depth of its children. */
static const char *check_node(const Trees *self, uint32_t node, uint32_t root, uint32_t end, uint16_t *depth,
    uint32_t *leaves)
{
    const double threshold = self->narrow ? (double)self->narrow[node].threshold : self->wide[node].threshold;
    const uint32_t link = self->narrow ? self->narrow[node].link : self->wide[node].link;
    const uint32_t below = self->narrow ? link >> self->shift : self->wide[node].below;
    const uint32_t mask = (uint32_t)(((uint64_t)1 << self->shift) - 1);
    if ((link & mask) / 2 >= self->head.width) return "a tree uses a feature that does not exist";
    if (node != root && !depth[node]) return "a node of a tree does not have exactly one parent";
    if (threshold != threshold) return "a tree has a threshold that is not a number";
    self->leaf[node] = 0;
    if (!below) {
        if (!(threshold == INFINITY && link & 1)) return "a leaf of a tree has a child";
        if (*leaves >= self->head.leaves) return "there are more leaves than values";
        self->leaf[node] = (*leaves)++;
        return NULL;
    }
    if (below >= end - node - 1) return "a tree points outside its nodes";
    if (depth[node] >= DEEPEST) return "a tree is deeper than 1,000";
    for (uint32_t i = 0; i < 2; i++) {
        uint16_t *child = depth + node + below + i;
        if (*child) return "a node of a tree does not have exactly one parent";
        *child = depth[node] + 1;
    }
    return NULL;
}

static const char *check_nodes(const Trees *self)
{
    const Header *head = &self->head;
    uint32_t leaves = 0;
    const char *problem = NULL;
    uint16_t *depth = calloc(head->nodes, sizeof *depth);
    if (!depth) return "there is no memory for its nodes";
    for (uint32_t tree = 0; tree < head->trees && !problem; tree++) {
        const uint32_t root = self->roots[tree];
        const uint32_t end = tree + 1 < head->trees ? self->roots[tree + 1] : head->nodes;
        if (tree == 0 && root != 0) problem = "its first tree does not begin with its first node";
        else if (end <= root || end > head->nodes) problem = "its trees are not consecutive";
        for (uint32_t node = root; node < end && !problem; node++)
            problem = check_node(self, node, root, end, depth, &leaves);
    }
    free(depth);
    if (!problem && leaves != head->leaves) problem = "there are fewer leaves than values";
    return problem;
}

/* Returns the size of a form with such a header, 0 where there is none. All factors are bounded: nothing overflows. */
static uint64_t size_of(const Header *head)
{
    if (memcmp(head->magic, "WAYPOSTT", 8) || head->version != 1 || head->unused) return 0;
    if ((head->kind != sizeof(float) && head->kind != sizeof(double)) || head->single > 1) return 0;
    if (!head->nodes || head->nodes > MOST_NODES || !head->trees || head->trees > head->nodes) return 0;
    if (!head->leaves || head->leaves > head->nodes || !head->width || head->width > MOST_NODES) return 0;
    if (!head->outputs || head->outputs > MOST_OUTPUTS) return 0;
    if (head->per_leaf != 1 && head->per_leaf != head->outputs) return 0;
    return sizeof(Header) + 8ull * head->outputs + 8ull * ((head->trees + 1ull) / 2)
        + (head->kind == sizeof(float) ? sizeof(Narrow) : sizeof(Wide)) * (uint64_t)head->nodes
        + 8ull * head->leaves * head->per_leaf;
}

static void round_all(double *values, size_t count)
{ for (size_t i = 0; i < count; i++) values[i] = (double)(float)values[i]; }

/* Takes a form over. Returns what is wrong with it. */
static const char *take(Trees *self, const char *bytes, size_t size)
{
    Header *head = &self->head;
    if (size < sizeof *head) return "it is shorter than its header";
    memcpy(head, bytes, sizeof *head);
    if (size_of(head) != size) return "its header does not match this version and size";
    self->copy = malloc(size);
    self->leaf = malloc(head->nodes * sizeof *self->leaf);
    if (!self->copy || !self->leaf) return "there is no memory for it";
    memcpy(self->copy, bytes, size);
    self->start = (double *)(self->copy + sizeof *head);
    self->roots = (const uint32_t *)(self->start + head->outputs);
    const char *nodes = (const char *)self->roots + 8 * (((size_t)head->trees + 1) / 2);
    self->shift = 1;
    if (head->kind == sizeof(float)) {
        while (head->width > 1u << (self->shift - 1)) self->shift++;
        self->narrow = (const Narrow *)nodes;
        self->values = (double *)(self->narrow + head->nodes);
    } else {
        self->shift = 32;
        self->wide = (const Wide *)nodes;
        self->values = (double *)(self->wide + head->nodes);
    }
    if (head->single) {
        round_all(self->start, head->outputs);
        round_all(self->values, (size_t)head->leaves * head->per_leaf);
    }
    return check_nodes(self);
}

static PyObject *trees_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer given;
    if (kwargs && PyDict_Size(kwargs)) return PyErr_Format(PyExc_TypeError, "Trees takes bytes alone");
    if (!PyArg_ParseTuple(args, "y*", &given)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Trees *self = (Trees *)allocate(type, 0);
    if (self) {
        const char *problem = take(self, given.buf, (size_t)given.len);
        if (problem) {
            PyErr_SetString(PyExc_ValueError, problem);
            Py_DECREF(self);
            self = NULL;
        }
    }
    PyBuffer_Release(&given);
    return (PyObject *)self;
}

static void trees_dealloc(PyObject *object)
{
    Trees *self = (Trees *)object;
    PyTypeObject *type = Py_TYPE(object);
    free(self->copy);
    free(self->leaf);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(add_up_doc,
    "add_up(features, sums, /)\n--\n\nWrites what the trees say to rows, tree after tree, into sums.\n\n"
    "features: floats of the form's kind, rows one after another; sums: doubles that can be written, as many rows.");

static PyObject *trees_add_up(PyObject *object, PyObject *args)
{
    const Trees *self = (const Trees *)object;
    Py_buffer x, sums;
    if (!PyArg_ParseTuple(args, "y*w*", &x, &sums)) return NULL;
    const size_t row = (size_t)self->head.width * self->head.kind, answer = self->head.outputs * sizeof(double);
    const size_t rows = (size_t)x.len / row;
    const int fits = rows * row == (size_t)x.len && rows * answer == (size_t)sums.len
        && (uintptr_t)x.buf % self->head.kind == 0 && (uintptr_t)sums.buf % sizeof(double) == 0;
    const int many = fits && rows >= MANY;
    char *const room = many ? calloc(room_for(self, rows), 1) : NULL;
    const int lacks = many && !room;
    if (fits && !lacks) {
        Py_BEGIN_ALLOW_THREADS
        add_all(self, x.buf, room, sums.buf, rows);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&sums);
    free(room);
    if (lacks) return PyErr_NoMemory();
    if (!fits) return PyErr_Format(PyExc_ValueError, "features and sums are not of the form's rows");
    Py_RETURN_NONE;
}

static PyMethodDef trees_methods[] = {{"add_up", trees_add_up, METH_VARARGS, add_up_doc}, {NULL, NULL, 0, NULL}};

static PyType_Slot trees_slots[] = {
    {Py_tp_new, trees_new},
    {Py_tp_dealloc, trees_dealloc},
    {Py_tp_methods, trees_methods},
    {Py_tp_doc, "Trees(form, /)\n--\n\nThe trees of a form (bytes). Raises ValueError where it is none."},
    {0, NULL},
};

static PyType_Spec trees_spec = {"waypost_walk.Trees", sizeof(Trees), 0, Py_TPFLAGS_DEFAULT, trees_slots};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &trees_spec, NULL);
    const int added = type ? PyModule_AddObjectRef(module, "Trees", type) : -1;
    Py_XDECREF(type);
    return added;
}

int add_features(PyObject *module); /* features.c */
static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {Py_mod_exec, add_features}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "waypost_walk", "The walk through the trees of Waypost's compiled models.", 0, NULL,
    module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_waypost_walk(void) { return PyModuleDef_Init(&module); }
