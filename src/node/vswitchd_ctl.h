/* Commands to ovs-vswitchd's control socket, as ovs-appctl sends them.
 *
 * Never blocks.  One command is under way at a time; each has a connection of
 * its own, so that a daemon that was restarted meanwhile is found anew. */
#ifndef VIRGA_VSWITCHD_CTL_H
#define VIRGA_VSWITCHD_CTL_H 1

#include <stddef.h>

/* 'ovs_rundir' holds ovs-vswitchd.pid and ovs-vswitchd.PID.ctl. */
struct vswitchd_ctl *vswitchd_ctl_create(const char *ovs_rundir);
void vswitchd_ctl_destroy(struct vswitchd_ctl *);

/* Sends 'command' with arguments, ended by NULL; forgets a command that is
 * still under way. */
void vswitchd_ctl_send(struct vswitchd_ctl *, const char *command, const char *const args[]);
void vswitchd_ctl_cancel(struct vswitchd_ctl *);

/* EAGAIN: no reply yet, or no command sent.  Else the command is finished:
 * 0: *text (malloc'd, '*len' bytes and a null) is the answer;
 * ECOMM: *text is the daemon's refusal; other errno: no answer, *text NULL. */
int vswitchd_ctl_run(struct vswitchd_ctl *, char **text, size_t *len);
void vswitchd_ctl_wait(struct vswitchd_ctl *);

#endif
