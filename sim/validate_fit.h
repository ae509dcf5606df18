/* validate_fit.h - the parameters of validate_params.h, from recorded runs.
 *
 * Distance of one run's simulation from its recording, averaged over seeds:
 *
 *     4 x the mean over conditions of: the mean over the 10, 20, ... 90 % quantiles of |ln(simulated / recorded)|
 *     + |ln| of the means  +  half the |ln| of the medians and of the 95 % quantiles
 *     + 5 x difference of the violation rates at 250 ms  +  5 x |ln| of the spans
 *
 * Conditions (validate_condition.h) count by their number of requests, up to a hundred. Numbers that are right on the
 * whole and wrong at each rate would say nothing of a rate that no run had.
 *
 * What is made small is the mean over runs of d / (1 + d) - a run that the model cannot reproduce must not bend it -
 * and a prior: the numbers that are marked as fitted are thought to be log-normal about where the fit begins, with the
 * deviation that validate_param_info names. One that is a model's own is for all models of the group together unknown
 * by that much, and for each against the others by a quarter of it.
 *
 * A search is cma.h's, its draws fixed by a key; each of its generations is simulated with a seed of its own. Searches
 * end in different valleys: the one kept came to the least mean over seeds 1 to 10, the same for all. Reports are made
 * with these seeds, too: what they say of the runs that were fitted is a little too good.
 *
 * Runs with a recorded allocation are replayed; those without (KServe) run their policy. Runs tagged runaway are not
 * used. The result depends on data, use and options alone, not on threads.
 */
#ifndef VALIDATE_FIT_H
#define VALIDATE_FIT_H

#include "calib.h"
#include "validate_params.h"

typedef struct {
    unsigned searches;                             /* per system and kind of input */
    unsigned steps;                                /* of each search: simulations of all its runs */
    unsigned threads;                              /* systems and kinds of input at once */
    void (*progress)(void *arg, const char *line); /* NULL: silent; from one thread at a time */
    void *progress_arg;
} validate_fit_options;

/* Improves the entries of p that runs with use[i] != 0 belong to, from where they are; the others stay. */
int validate_fit(validate_params *p, const validate_data *data, const unsigned char *use, const calib *device,
                 const validate_fit_options *options, char err[VALIDATE_ERR_LEN]);
/* Whether a fit that uses run b changes what is known of run a. */
int validate_fit_concerns(const validate_params *p, const validate_run *a, const validate_run *b);
/* How far the run's simulation is off, as above; < 0: it cannot be simulated. */
double validate_distance(const validate_run *run, const calib *device, const validate_params *p,
                         unsigned seeds);

#endif
