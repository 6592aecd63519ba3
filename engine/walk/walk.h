/* The trees of a form, and a step through them: what walk.c (one row) and block.c (many) share. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Both kinds of nodes: a row goes to the next but one node `below` where its value is above the threshold, else to
 * the first. A leaf is below itself, under infinity. The bit of `missing` sends NaN the first way. */
typedef struct { float threshold; uint32_t link; } Narrow;
typedef struct { double threshold; uint32_t below; uint32_t link; } Wide;

typedef struct {
    char magic[8];
    uint32_t version, kind, trees, nodes, width, outputs, per_leaf, leaves, single, unused;
} Header;

typedef struct {
    PyObject_HEAD
    char *copy;
    Header head;
    double *start, *values;
    const uint32_t *roots;
    const Narrow *narrow;
    const Wide *wide;
    uint32_t *leaf; /* by node: the number of the leaf */
    unsigned shift; /* of a narrow node's link: what is above says how far below its first child is */
} Trees;

typedef void Walk(const Trees *self, const uint32_t *roots, uint32_t *restrict at, const void *row, uint32_t lanes);

/* Takes each of COUNT lanes from its root to its leaf: one step of each until none moves. A value is at x[AT]. */
#define WALK(NAME, NODE, REAL, NODES, BELOW, COUNT, ROOT, AT, SECOND)                              \
    static void NAME(const Trees *self, const uint32_t *roots, uint32_t *restrict at, const void *row, uint32_t lanes) \
    {                                                                                              \
        const NODE *restrict nodes = NODES;                                                        \
        const REAL *restrict x = row;                                                              \
        const unsigned shift = self->shift;                                                        \
        const uint32_t mask = (uint32_t)(((uint64_t)1 << shift) - 1);                              \
        uint32_t moved = lanes;                                                                    \
        for (uint32_t j = 0; j < COUNT; j++) at[j] = roots[ROOT];                                  \
        while (moved) {                                                                            \
            moved = 0;                                                                             \
            for (uint32_t j = 0; j < COUNT; j++) {                                                 \
                const NODE node = nodes[at[j]];                                                    \
                const size_t feature = (node.link & mask) / 2;                                     \
                const REAL value = x[AT];                                                          \
                const uint32_t step = (BELOW) + (SECOND);                                          \
                moved |= step;                                                                     \
                at[j] += step;                                                                     \
            }                                                                                      \
        }                                                                                          \
        for (uint32_t j = 0; j < COUNT; j++) at[j] = self->leaf[at[j]];                            \
    }
#define BOTH(NAME, ...)                                                                            \
    WALK(NAME##_narrow, Narrow, float, self->narrow, node.link >> shift, __VA_ARGS__)              \
    WALK(NAME##_wide, Wide, double, self->wide, ((void)shift, node.below), __VA_ARGS__)
#define ABOVE_OR_NAN (1 - (((value <= node.threshold) | ((value != value) & node.link)) & 1))

/* Adds what a leaf says: to all outputs, or to the one that is the tree's turn. */
static inline void add(const Trees *self, double *restrict sums, uint32_t tree, uint32_t leaf)
{
    const uint32_t count = self->head.per_leaf;
    const double *restrict values = self->values + (size_t)leaf * count;
    double *restrict to = count == self->head.outputs ? sums : sums + tree % self->head.outputs;
    if (self->head.single) for (uint32_t i = 0; i < count; i++) to[i] = (double)(float)(to[i] + values[i]);
    else for (uint32_t i = 0; i < count; i++) to[i] += values[i];
}

/* block.c: adds what the trees say to many rows; `room` has `room_for` bytes, none of them unset. */
size_t room_for(const Trees *self, size_t rows);
void add_rows(const Trees *self, const char *x, char *room, double *sums, size_t rows);
