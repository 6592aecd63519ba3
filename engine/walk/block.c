/* Walks many rows: some trees at a time meet a block of them, group after group.
 *
 * The features of a group's rows lie side by side and are fetched while the group before walks; so are a row's leaves
 * while the rows before are added up. A row's sums grow tree after tree, as they do alone: the same bits.
 */
#include "walk.h"

#define BLOCK 8192 /* rows of a block: many, since leaves come into the cache once for all of them */
#define GROUP 8    /* those rows in groups: few, since all of them wait for the one that goes deepest */
#define TREES 4    /* trees that a block meets at a time: a group's features and a row's sums come once for all */
#define AHEAD 4    /* rows from the one that is added up to the one that leaves are fetched for */
#define LINE 64    /* bytes of a cache */
#define MOST_FETCHED 256 /* bytes of a leaf */

/* The rows of a group meet the tree of the root: rows of any features, and rows without NaN, which takes less. */
BOTH(any, GROUP, 0, feature * GROUP + j, ABOVE_OR_NAN)
BOTH(whole, GROUP, 0, feature * GROUP + j, (value > node.threshold))

/* Puts the features of each group's rows side by side. Returns whether one is NaN. */
#define SPREAD(NAME, REAL)                                                                         \
    static int NAME(const REAL *restrict x, REAL *restrict to, size_t width, uint32_t rows)        \
    {                                                                                              \
        int missing = 0;                                                                           \
        for (size_t row = 0; row < rows; row++)                                                    \
            for (size_t i = 0; i < width; i++) {                                                   \
                const REAL value = x[row * width + i];                                             \
                to[(row / GROUP * width + i) * GROUP + row % GROUP] = value;                       \
                missing |= value != value;                                                         \
            }                                                                                      \
        return missing;                                                                            \
    }
SPREAD(spread_narrow, float)
SPREAD(spread_wide, double)

/* Adds what a row's leaves of TREES trees say, each of them to all outputs: a sum is read and written once. */
static void add_together(const Trees *self, double *restrict sums, const uint32_t *at, size_t stride)
{
    const uint32_t outputs = self->head.outputs;
    const double *values[TREES];
    for (uint32_t k = 0; k < TREES; k++) values[k] = self->values + (size_t)at[k * stride] * outputs;
    for (uint32_t i = 0; i < outputs; i++) {
        double sum = sums[i];
        for (uint32_t k = 0; k < TREES; k++) sum += values[k][i];
        sums[i] = sum;
    }
}

static size_t whole_groups(size_t rows)
{ return (rows + GROUP - 1) / GROUP * GROUP; }

static void add_block(const Trees *self, const char *x, char *room, double *sums, uint32_t rows)
{
    const size_t stride = whole_groups(rows);
    uint32_t *const at = (uint32_t *)room; /* tree after tree, where each row is: a thread's stack has no room for it */
    char *const spread = (char *)(at + TREES * stride);
    const Header *head = &self->head;
    const size_t width = head->width, group = GROUP * width * head->kind, leaf = head->per_leaf * sizeof *sums;
    const int together = head->per_leaf == head->outputs && !head->single;
    const size_t fetched = leaf < MOST_FETCHED ? leaf : MOST_FETCHED;
    const int missing = self->narrow ? spread_narrow((const float *)x, (float *)spread, width, rows)
                                     : spread_wide((const double *)x, (double *)spread, width, rows);
    Walk *const walk = missing ? (self->narrow ? any_narrow : any_wide) : (self->narrow ? whole_narrow : whole_wide);
    for (uint32_t tree = 0; tree < head->trees; tree += TREES) {
        const uint32_t left = head->trees - tree, count = left < TREES ? left : TREES;
        for (uint32_t j = 0; j < rows; j += GROUP) {
            const char *values = spread + j / GROUP * group;
            for (size_t i = 0; i < group && j + GROUP < rows; i += LINE) __builtin_prefetch(values + group + i);
            for (uint32_t k = 0; k < count; k++) walk(self, self->roots + tree + k, at + k * stride + j, values, GROUP);
        }
        for (uint32_t j = 0; j < rows; j++, sums += head->outputs) {
            for (uint32_t k = 0; k < count && j + AHEAD < rows; k++) {
                const char *next = (const char *)self->values + at[k * stride + j + AHEAD] * leaf;
                for (size_t i = 0; i < fetched; i += LINE) __builtin_prefetch(next + i);
            }
            if (together && count == TREES) add_together(self, sums, at + j, stride);
            else for (uint32_t k = 0; k < count; k++) add(self, sums, tree + k, at[k * stride + j]);
        }
        sums -= (size_t)rows * head->outputs;
    }
}

size_t room_for(const Trees *self, size_t rows)
{
    const size_t row = TREES * sizeof(uint32_t) + (size_t)self->head.width * self->head.kind;
    return whole_groups(rows < BLOCK ? rows : BLOCK) * row;
}

void add_rows(const Trees *self, const char *x, char *room, double *sums, size_t rows)
{
    for (size_t row = 0; row < rows; row += BLOCK)
        add_block(self, x + row * self->head.width * self->head.kind, room, sums + row * self->head.outputs,
            (uint32_t)(rows - row < BLOCK ? rows - row : BLOCK));
}
