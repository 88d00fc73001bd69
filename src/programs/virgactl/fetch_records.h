/* The records of the cluster (base/records.h), from the API or a file. */
#ifndef VIRGACTL_FETCH_RECORDS_H
#define VIRGACTL_FETCH_RECORDS_H 1

struct cli;
struct records;

/* CLI_OK and new records, or tells what is wrong. */
int fetch_records(struct cli *, struct records **);
/* "-": standard input. */
int read_records(const char *file, struct records **);

#endif
