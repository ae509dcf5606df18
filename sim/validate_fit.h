/* validate_fit.h - the parameters of validate_params.h, from recorded runs.
 *
 * What is made small is the mean over runs of d / (1 + d), d being the distance of validate_distance.h - a run that the
 * model cannot reproduce must not bend it - and a prior: the numbers that are marked as fitted are thought to be
 * log-normal about where the fit begins, with the deviation that validate_param_info names. One that is a model's own is
 * for all models of the group together unknown by that much, and for each against the others by a quarter of it.
 *
 * A search is cma.h's, its draws fixed by a key; each of its generations is simulated with a seed of its own. Searches
 * end in different valleys, and mostly it shows early in which: after each of 1 + log2(searches) equal parts of the steps
 * the better half goes on (of an odd number one more), by the mean over ten seeds, the same for all. Reports are made
 * with other seeds (1, 2, ...).
 *
 * Runs tagged runaway are not used. The result depends on data, use and options alone, not on threads.
 */
#ifndef VALIDATE_FIT_H
#define VALIDATE_FIT_H

#include "calib.h"
#include "validate_params.h"

typedef struct {
    unsigned searches; /* per system and kind of input */
    unsigned steps;    /* of the search that is kept: simulations of all its runs */
    unsigned threads;  /* searches at once */
    void (*progress)(void *arg, const char *line); /* NULL: silent; from one thread at a time */
    void *progress_arg;
} validate_fit_options;

/* Improves the entries of p that runs with use[i] != 0 belong to, from where they are; the others stay. Runs that cannot be
 * simulated from there are not used. -1: out of memory, or numbers were found with which a run cannot be simulated. */
int validate_fit(validate_params *p, const validate_data *data, const unsigned char *use, const calib *device,
                 const validate_fit_options *options, char err[VALIDATE_ERR_LEN]);
/* Whether a fit that uses run b changes what is known of run a. */
int validate_fit_concerns(const validate_params *p, const validate_run *a, const validate_run *b);

#endif
