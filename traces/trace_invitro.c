/* trace_invitro.c - traces as InVitro samples them (vhive-serverless/invitro; Ustiugov et al., Enabling In-Vitro
 * Serverless Systems Research, SESAME 2023): a folder with invocations.csv, durations.csv and memory.csv.
 *
 * The columns are those of Azure Functions 2019, but for three things: all three files must be there, memory is
 * per function (a HashFunction column), and counts in durations and memory are decimals. The reader of azure2019
 * takes the last two as they come, so that only the first is left to do here. */
#include "trace_int.h"

int trace_invitro_read(trace_file *file, trace_lines *lines, char *err) {
    return trace_azure2019_join(file, lines, true, err);
}
