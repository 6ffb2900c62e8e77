// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Fair by tenant: deficit round robin with weights over prefill tokens, decode tokens and the
/// blocks held; order of arrival within a tenant.
///
/// A tenant pays for what it is served and may start a sequence while it is not in debt. When every
/// waiting tenant is in debt, a round passes and each gets its weight in tokens; a tenant that does
/// not wait gets at most what pays its debt. When a tenant has more sequences running for its
/// weight than another that waits, its last one is preempted for it; a tenant that has far fewer
/// running does not wait for the prefills of others.
public final class FairOrder implements WaitingOrder {
    /// Tokens that a tenant of weight 1 gets in a round.
    private static final double QUANTUM = 256;

    /// Cost of a decoded token in prefilled tokens: a decode step reads all keys and values of its
    /// sequence.
    private static final double DECODE_COST = 4;

    /// Cost of a token held for one step in computed tokens: memory is scarce too.
    private static final double HOLDING_COST = 1.0 / 256;

    /// Number of tenants above which debts of those that neither wait nor run are dropped.
    private static final int MAX_TENANTS = 4096;

    /// Number of tenants whose first waiting sequence is checked, and reported when it was passed
    /// over.
    private static final int MAX_CHECKED = 64;

    private final Map<String, Tenant> tenants = new HashMap<>();

    /// Tenants that wait, in the order of their turns.
    private final ArrayList<Tenant> turns = new ArrayList<>();

    private double round;
    private int turn;

    /// Loads of tenants that have sequences running; valid until a sequence is admitted or leaves.
    private double lightestLoad;

    private double heaviestLoad;
    private boolean loadsAreKnown;
    private @Nullable Context context;

    static final class Tenant {
        final double weight;
        final WaitingQueue queue = new WaitingQueue();
        int running;
        double balance;
        double seenRound;

        Tenant(double weight, double round) {
            this.weight = weight;
            this.seenRound = round;
        }
    }

    @Override
    public String name() {
        return "fair";
    }

    @Override
    public void begin(Context context) {
        this.context = context;
    }

    @Override
    public void add(Sequence sequence) {
        Tenant tenant = find(sequence.tenant());
        sequence.fairTenant = tenant;
        if (tenant.queue.isEmpty()) {
            payDebt(tenant);
            turns.add(tenant);
        }
        tenant.queue.add(sequence);
    }

    /// Returns the tenant of a sequence, which is kept with the sequence from when it first waits,
    /// so that a step looks up no names.
    private static Tenant tenant(Sequence sequence) {
        Tenant known = sequence.fairTenant;
        if (known == null) {
            throw new IllegalStateException(sequence + " never waited");
        }
        return known;
    }

    private Tenant find(String name) {
        Tenant known = tenants.get(name);
        if (known != null) {
            return known;
        }
        if (tenants.size() >= MAX_TENANTS) {
            tenants.values().removeIf(other -> other.queue.isEmpty() && other.running == 0);
        }
        var fresh = new Tenant(context == null ? 1 : context.weight(name), round);
        tenants.put(name, fresh);
        return fresh;
    }

    /// Credits the rounds in which a tenant did not wait, at most up to its debt.
    private void payDebt(Tenant tenant) {
        double credit = (round - tenant.seenRound) * QUANTUM * tenant.weight;
        tenant.balance = Math.min(Math.max(tenant.balance, 0), tenant.balance + credit);
        tenant.seenRound = round;
    }

    @Override
    public void remove(Sequence sequence) {
        Tenant tenant = tenant(sequence);
        tenant.queue.remove(sequence);
        if (tenant.queue.isEmpty()) {
            int index = turns.indexOf(tenant);
            turns.remove(index);
            turn -= index < turn ? 1 : 0;
            tenant.balance = Math.min(tenant.balance, 0);
            tenant.seenRound = round;
            forgetIfIdle(sequence.tenant(), tenant);
        }
    }

    /// Drops an idle tenant without debt: a new one is equivalent.
    private void forgetIfIdle(String name, Tenant tenant) {
        if (tenant.queue.isEmpty() && tenant.running == 0 && tenant.balance >= 0) {
            tenants.remove(name, tenant);
        }
    }

    @Override
    public Optional<Sequence> first() {
        if (turns.isEmpty()) {
            return Optional.empty();
        }
        double rounds = Double.MAX_VALUE;
        for (int i = 0; i < turns.size(); i++) {
            int at = (turn + i) % turns.size();
            Tenant tenant = turns.get(at);
            if (tenant.balance >= 0) {
                turn = at;
                return tenant.queue.first();
            }
            rounds = Math.min(rounds, -tenant.balance / (QUANTUM * tenant.weight));
        }
        round += rounds;
        Tenant solvent = turns.getFirst();
        for (Tenant tenant : turns) {
            tenant.balance += rounds * QUANTUM * tenant.weight;
            tenant.seenRound = round;
            solvent = tenant.balance > solvent.balance ? tenant : solvent;
        }
        solvent.balance = Math.max(0, solvent.balance);
        turn = turns.indexOf(solvent);
        return solvent.queue.first();
    }

    @Override
    public void admitted(Sequence sequence, int cachedTokens) {
        Tenant tenant = tenant(sequence);
        tenants.putIfAbsent(sequence.tenant(), tenant);
        tenant.running++;
        loadsAreKnown = false;
        // Recomputation after a preemption is not charged again.
        if (sequence.preemptions() == 0) {
            tenant.balance -= sequence.knownLength() - cachedTokens;
        }
        if (!turns.isEmpty()) {
            turn = (turn + 1) % turns.size();
            reportPassedOver(sequence);
        }
    }

    private void reportPassedOver(Sequence admitted) {
        if (context == null) {
            return;
        }
        for (int i = 0; i < Math.min(turns.size(), MAX_CHECKED); i++) {
            Optional<Sequence> first = turns.get((turn + i) % turns.size()).queue.first();
            if (first.isPresent() && first.get().arrival() < admitted.arrival()) {
                context.passedOver(first.get());
            }
        }
    }

    @Override
    public void left(Sequence sequence) {
        Tenant tenant = tenant(sequence);
        tenant.running--;
        loadsAreKnown = false;
        forgetIfIdle(sequence.tenant(), tenant);
    }

    @Override
    public void served(StepPlan.Row row) {
        double cost = row.sequence().computed() * HOLDING_COST;
        tenant(row.sequence()).balance -= row.prefill() ? cost : cost + DECODE_COST;
    }

    @Override
    public Sequence victim(List<Sequence> candidates) {
        Sequence worst = candidates.getLast();
        for (Sequence candidate : candidates.reversed()) {
            if (load(tenant(candidate), 0) > load(tenant(worst), 0)) {
                worst = candidate;
            }
        }
        return worst;
    }

    /// Whether the tenant of `running` still has at least the load of the other after the change.
    @Override
    public boolean yields(Sequence running, Sequence waiting) {
        return !running.tenant().equals(waiting.tenant())
                && load(tenant(running), -1) >= load(tenant(waiting), 1);
    }

    /// Whether the tenant has less than half as many sequences running for its weight as another:
    /// the prefills of that one must not delay its first token.
    @Override
    public boolean hurries(Sequence sequence) {
        compareLoads();
        return heaviestLoad > 2 * load(tenant(sequence), 0);
    }

    /// Whether a tenant has less than half as many sequences running for its weight as another.
    @Override
    public boolean wantsShortSteps() {
        compareLoads();
        return 2 * lightestLoad < heaviestLoad;
    }

    /// A tenant passes its own sequences only.
    @Override
    public boolean mayPass(Sequence shorter, Sequence first) {
        return shorter.tenant().equals(first.tenant());
    }

    /// Nobody knows which of two tenants is served first.
    @Override
    public boolean precedes(Sequence waiting, Sequence arriving) {
        return waiting.tenant().equals(arriving.tenant());
    }

    /// What the tenant has waiting, while each of the others that wait gets its share too.
    @Override
    public long ahead(Sequence arriving, long all) {
        Tenant tenant = find(arriving.tenant());
        double weights = tenant.queue.isEmpty() ? tenant.weight : 0;
        for (Tenant each : turns) {
            weights += each.weight;
        }
        long own = tenant.queue.cost();
        forgetIfIdle(arriving.tenant(), tenant);
        return Math.min(all, (long) (own * weights / tenant.weight));
    }

    private void compareLoads() {
        if (loadsAreKnown) {
            return;
        }
        loadsAreKnown = true;
        lightestLoad = Double.MAX_VALUE;
        heaviestLoad = 0;
        for (Tenant tenant : tenants.values()) {
            if (tenant.running > 0) {
                lightestLoad = Math.min(lightestLoad, load(tenant, 0));
                heaviestLoad = Math.max(heaviestLoad, load(tenant, 0));
            }
        }
    }

    private static double load(Tenant tenant, int change) {
        return (tenant.running + change) / tenant.weight;
    }
}
