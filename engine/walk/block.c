/* Walks many rows: some trees at a time meet a block of them, group after group.
 *
 * The features of a group's rows lie side by side and are fetched while the group before walks; so are a row's leaves
 * while the rows before are added up. A row's sums grow tree after tree, as they do alone: the same bits.
 */
#include "walk.h"

#define BLOCK 8192 /* rows of a block: many, since leaves come into the cache once for all of them */
#define GROUP 8    /* those rows in groups: few, since all of them wait for the one that goes deepest */
#define TREES 4    /* trees that a block meets at a time: a group's features, and a row's sums, come once for all of them */
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

/* Adds what a row's leaves of TREES trees say, where each says something to all outputs: a sum is read and written once. */
static void add_together(const Trees *self, double *restrict sums, uint32_t at[TREES][BLOCK], uint32_t row)
{
    const uint32_t outputs = self->head.outputs;
    const double *values[TREES];
    for (uint32_t k = 0; k < TREES; k++) values[k] = self->values + (size_t)at[k][row] * outputs;
    for (uint32_t i = 0; i < outputs; i++) {
        double sum = sums[i];
        for (uint32_t k = 0; k < TREES; k++) sum += values[k][i];
        sums[i] = sum;
    }
}

static void add_block(const Trees *self, const char *x, char *room, double *sums, uint32_t rows)
{
    uint32_t at[TREES][BLOCK];
    const Header *head = &self->head;
    const size_t width = head->width, group = GROUP * width * head->kind, leaf = head->per_leaf * sizeof *sums;
    const size_t fetched = leaf < MOST_FETCHED ? leaf : MOST_FETCHED;
    const int missing = self->narrow ? spread_narrow((const float *)x, (float *)room, width, rows)
                                     : spread_wide((const double *)x, (double *)room, width, rows);
    Walk *const walk = missing ? (self->narrow ? any_narrow : any_wide) : (self->narrow ? whole_narrow : whole_wide);
    for (uint32_t tree = 0; tree < head->trees; tree += TREES) {
        const uint32_t left = head->trees - tree, count = left < TREES ? left : TREES;
        for (uint32_t j = 0; j < rows; j += GROUP) {
            const char *values = room + j / GROUP * group;
            for (size_t i = 0; i < group && j + GROUP < rows; i += LINE) __builtin_prefetch(values + group + i);
            for (uint32_t k = 0; k < count; k++) walk(self, self->roots + tree + k, at[k] + j, values, GROUP);
        }
        for (uint32_t j = 0; j < rows; j++, sums += head->outputs) {
            for (uint32_t k = 0; k < count && j + AHEAD < rows; k++)
                for (size_t i = 0; i < fetched; i += LINE) __builtin_prefetch((char *)self->values + at[k][j + AHEAD] * leaf + i);
            if (count == TREES && head->per_leaf == head->outputs && !head->single) add_together(self, sums, at, j);
            else for (uint32_t k = 0; k < count; k++) add(self, sums, tree + k, at[k][j]);
        }
        sums -= (size_t)rows * head->outputs;
    }
}

size_t room_for(const Trees *self, size_t rows)
{
    return ((rows < BLOCK ? rows : BLOCK) + GROUP - 1) / GROUP * GROUP * self->head.width * self->head.kind;
}

void add_rows(const Trees *self, const char *x, char *room, double *sums, size_t rows)
{
    for (size_t row = 0; row < rows; row += BLOCK)
        add_block(self, x + row * self->head.width * self->head.kind, room, sums + row * self->head.outputs,
            (uint32_t)(rows - row < BLOCK ? rows - row : BLOCK));
}
