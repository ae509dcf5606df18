/* validate_cv.h - cross-validation by run: the parameters with which a run is simulated come from the other runs.
 *
 * For each run, the numbers of its system and served model are fitted (validate_fit.h) to all other runs of that system
 * and model that can be simulated, and to those alone. The search begins at `start`; what was fitted to the run itself
 * must not be in there, or it is no cross-validation. A run without others of its kind has no parameters: it says so
 * rather than being judged with its own.
 */
#ifndef VALIDATE_CV_H
#define VALIDATE_CV_H

#include "validate_fit.h"

typedef struct validate_cv validate_cv;

/* only: names of the runs to leave out in turn, as in a validate_plan; n_only 0: all. options->threads folds at a time;
 * progress is called with a line as each is done. */
int validate_cv_make(validate_cv **out, const validate_data *data, const validate_params *start,
                     const calib *device, const char *const *only, size_t n_only,
                     const validate_fit_options *options, char err[VALIDATE_ERR_LEN]);
void validate_cv_free(validate_cv *cv); /* NULL is fine */

/* Fitted without this run; NULL: there was nothing to fit to. */
const validate_params *validate_cv_params(const validate_cv *cv, const validate_run *run);

#endif
