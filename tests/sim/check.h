/* The checks: what must hold of every history.  Names of properties as in the messages: P producer, F consumer, G
 * group, L liveness. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "history.h"

struct sim_verdict {
    int violations;       /* 0: all is well */
    const char *property; /* of the first one */
    char all[80];         /* properties of all, each once, with blanks around */
    char text[400];
};

/* Note a violation; the first one is kept. */
void sim_violation(struct sim_verdict *verdict, const char *property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct sim_check {
    const char *property, *meaning;
    void (*check)(const struct sim_history *history, struct sim_verdict *verdict);
};
extern const struct sim_check sim_checks[];
extern const size_t sim_check_count;

void sim_check_all(const struct sim_history *history, struct sim_verdict *verdict);

#endif
