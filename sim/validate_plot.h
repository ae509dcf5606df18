/* validate_plot.h - figures of a report (validate_report.h), by gnuplot as figures.h says: data beside the pictures,
 * files under their name only when they are whole.
 *
 *   RUN_cdf        plots/validate_cdf.gp       the latencies' distribution, real and the band of the seeds, and its tail
 *   RUN_timeline   plots/validate_timeline.gp  per 5 s: load, P50 and P95; the allocation over time
 *   summary        plots/validate_summary.gp   simulated against real P50 and P95 of all runs, and a band of 9 %
 *
 * for the simulated runs; what is mislabelled is not in the summary. The last block of each file, "about", says how they
 * were simulated. A request's db_path, only and log are not used.
 */
#ifndef VALIDATE_PLOT_H
#define VALIDATE_PLOT_H

#include "figures.h"
#include "validate_report.h"

figures_status validate_plot(const validate_report *r, const figures_request *request,
                             char err[FIGURES_ERR_LEN]);

#endif
