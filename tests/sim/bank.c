/* The transactional part of a run, as a whole: see tellers.h. Nothing of it is there in seeds without transactions. */
#include "tellers.h"

#include <stdio.h>

#define LATE_US (20 * SIM_S) /* for what clients and brokers do besides waiting for a time-out */

void sim_bank_open(struct sim_bank *bank, struct sim_stage *stage)
{
    if (!stage->workload.txn_ids)
        return;
    stage->bank = bank;
    sim_vault_open(&bank->vault, stage);
    sim_tellers_open(&bank->tellers, stage);
    for (int i = 0; i < SIM_AUDITORS; i++)
        sim_auditor_open(&bank->auditors[i], stage, i);
}

void sim_bank_heal(struct sim_bank *bank)
{
    if (!bank)
        return;
    sim_vault_heal(&bank->vault);
    sim_tellers_finish(&bank->tellers);
    bank->healed_at = bank->vault.stage->world.now;
}

bool sim_bank_settled(struct sim_bank *bank, char *why, size_t size)
{
    int64_t ends[SIM_LEDGER_PARTITIONS];
    if (!bank)
        return true;
    struct sim_stage *stage = bank->vault.stage;
    const struct sim_workload *w = &stage->workload;
    int64_t limit = bank->healed_at + ((int64_t)w->txn_timeout_ms + w->txn_sweep_ms) * SIM_MS + LATE_US;
    if (!sim_tellers_done(&bank->tellers, why, size))
        return false;
    if (!sim_vault_settled(&bank->vault, ends, why, size)) {
        if (stage->world.now > limit)
            sim_violation(&stage->verdict, "T7", "%.1f s after the last fault a transaction is open: %s",
                          (double)(stage->world.now - bank->healed_at) / 1e6, why);
        return false;
    }
    for (int i = 0; i < SIM_AUDITORS; i++)
        if (!sim_auditor_done(&bank->auditors[i], ends, why, size))
            return false;
    return true;
}

void sim_bank_close(struct sim_bank *bank)
{
    if (!bank)
        return;
    sim_tellers_close(&bank->tellers);
    for (int i = 0; i < SIM_AUDITORS; i++)
        sim_auditor_close(&bank->auditors[i]);
    sim_vault_close(&bank->vault);
}

void sim_bank_read(struct sim_bank *bank)
{
    if (bank)
        sim_vault_read(&bank->vault);
}
