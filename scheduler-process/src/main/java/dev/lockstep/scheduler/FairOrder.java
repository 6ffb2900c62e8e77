package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Fair by tenant: deficit round robin over prefill tokens, decode tokens and the blocks held, with
/// weights; order of arrival within a tenant.
///
/// A tenant pays for what it is served and may start a sequence while it is not in debt. When every
/// tenant that waits is in debt, a round passes and each is given its weight in tokens; a tenant
/// that does not wait is given as much as pays its debt. Where one has more sequences running for
/// its weight than another that waits, its last one makes room; and one that has far fewer running
/// does not wait for the others' prefills.
public final class FairOrder implements WaitingOrder {
    /// Tokens a tenant of weight 1 is given in a round.
    private static final double QUANTUM = 256;

    /// A decode step reads all of a sequence's keys and values: it costs more than one prefilled
    /// token.
    private static final double DECODE_COST = 4;

    /// A token held for a step, against a token computed: memory is scarce too.
    private static final double HOLDING_COST = 1.0 / 256;

    /// Beyond, the debts of those that neither wait nor run are forgotten.
    private static final int MOST_TENANTS = 4096;

    /// Of so many tenants the first that waits is told when it was passed over.
    private static final int MOST_TOLD = 64;

    private final Map<String, Tenant> tenants = new HashMap<>();

    /// Those that wait, in the order of their turns.
    private final ArrayList<Tenant> turns = new ArrayList<>();

    private double round;
    private int turn;

    /// Of the tenants that have sequences running; known until one is admitted or leaves.
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
        var tenant = find(sequence.tenant());
        sequence.fairTenant = tenant;
        if (tenant.queue.isEmpty()) {
            payDebt(tenant);
            turns.add(tenant);
        }
        tenant.queue.add(sequence);
    }

    /// Kept with the sequence from when it comes to wait, so that a step looks nobody up.
    private static Tenant tenant(Sequence sequence) {
        var known = sequence.fairTenant;
        if (known == null) {
            throw new IllegalStateException(sequence + " never waited");
        }
        return known;
    }

    private Tenant find(String name) {
        var known = tenants.get(name);
        if (known != null) {
            return known;
        }
        if (tenants.size() >= MOST_TENANTS) {
            tenants.values().removeIf(other -> other.queue.isEmpty() && other.running == 0);
        }
        var fresh = new Tenant(context == null ? 1 : context.weight(name), round);
        tenants.put(name, fresh);
        return fresh;
    }

    /// What rounds gave it while it did not wait pays its debt and no more.
    private void payDebt(Tenant tenant) {
        double given = (round - tenant.seenRound) * QUANTUM * tenant.weight;
        tenant.balance = Math.min(Math.max(tenant.balance, 0), tenant.balance + given);
        tenant.seenRound = round;
    }

    @Override
    public void remove(Sequence sequence) {
        var tenant = tenant(sequence);
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

    /// One without debt is as good as a new one.
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
            var tenant = turns.get(at);
            if (tenant.balance >= 0) {
                turn = at;
                return tenant.queue.first();
            }
            rounds = Math.min(rounds, -tenant.balance / (QUANTUM * tenant.weight));
        }
        round += rounds;
        Tenant solvent = turns.getFirst();
        for (var tenant : turns) {
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
        var tenant = tenant(sequence);
        tenants.putIfAbsent(sequence.tenant(), tenant);
        tenant.running++;
        loadsAreKnown = false;
        // What is computed again after a preemption was paid before.
        if (sequence.preemptions() == 0) {
            tenant.balance -= sequence.knownLength() - cachedTokens;
        }
        if (!turns.isEmpty()) {
            turn = (turn + 1) % turns.size();
            tellWhoWasPassedOver(sequence);
        }
    }

    private void tellWhoWasPassedOver(Sequence admitted) {
        if (context == null) {
            return;
        }
        for (int i = 0; i < Math.min(turns.size(), MOST_TOLD); i++) {
            var first = turns.get((turn + i) % turns.size()).queue.first();
            if (first.isPresent() && first.get().arrival() < admitted.arrival()) {
                context.passedOver(first.get());
            }
        }
    }

    @Override
    public void left(Sequence sequence) {
        var tenant = tenant(sequence);
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
        var worst = candidates.getLast();
        for (var candidate : candidates.reversed()) {
            if (load(tenant(candidate), 0) > load(tenant(worst), 0)) {
                worst = candidate;
            }
        }
        return worst;
    }

    /// After the change the tenant that yields still has the larger share.
    @Override
    public boolean yields(Sequence running, Sequence waiting) {
        return !running.tenant().equals(waiting.tenant())
                && load(tenant(running), -1) >= load(tenant(waiting), 1);
    }

    /// Of a tenant with less than half as many sequences running for its weight as another: that
    /// one's prefills shall not stand before its first token.
    @Override
    public boolean hurries(Sequence sequence) {
        compareLoads();
        return heaviestLoad > 2 * load(tenant(sequence), 0);
    }

    /// While a tenant has less than half as many sequences running for its weight as another.
    @Override
    public boolean wantsShortSteps() {
        compareLoads();
        return 2 * lightestLoad < heaviestLoad;
    }

    private void compareLoads() {
        if (loadsAreKnown) {
            return;
        }
        loadsAreKnown = true;
        lightestLoad = Double.MAX_VALUE;
        heaviestLoad = 0;
        for (var tenant : tenants.values()) {
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
