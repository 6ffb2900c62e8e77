// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// All waiting sequences, counted: guaranteed ones in a separate [WaitingOrder], which goes first.
///
/// A sequence whose next blocks a running sequence is about to compute is in no order but follows
/// that one, and returns to its order when that one has a row or stops running.
final class WaitingRoom implements ResourceManager {
    /// Sequences that one look-up sets aside at most: a plan does not walk a long queue of them.
    private static final int MAX_ASIDE = 64;

    private final WaitingOrder guaranteed;
    private final WaitingOrder bestEffort;
    private final KvCacheManager kv;
    private final Timeline timeline;
    private final StepTime stepTime;
    private final ShortPrompts shortPrompts;
    private final ExpectedPrefixes expected;
    private final int blockSize;
    private int size;
    private long tokens;
    private long guaranteedCost;
    private long bestEffortCost;

    WaitingRoom(
            WaitingOrder guaranteed,
            WaitingOrder bestEffort,
            KvCacheManager kv,
            int blockSize,
            StepTime stepTime,
            ShortPrompts shortPrompts,
            Timeline timeline) {
        this.guaranteed = guaranteed;
        this.bestEffort = bestEffort;
        this.kv = kv;
        this.blockSize = blockSize;
        this.expected = new ExpectedPrefixes(kv, blockSize);
        this.stepTime = stepTime;
        this.shortPrompts = shortPrompts;
        this.timeline = timeline;
    }

    void begin(Policies policies) {
        var context =
                new WaitingOrder.Context() {
                    @Override
                    public int cachedPrefix(Sequence waiting) {
                        return kv.cachedPrefix(waiting);
                    }

                    @Override
                    public void passedOver(Sequence waiting) {
                        timeline.waits(waiting, Timeline.Reason.FAIRNESS);
                    }

                    @Override
                    public double weight(String tenant) {
                        return policies.weight(tenant);
                    }
                };
        guaranteed.begin(context);
        bestEffort.begin(context);
    }

    int size() {
        return size;
    }

    /// Token ids of all waiting sequences, outputs included.
    long tokens() {
        return tokens;
    }

    boolean isEmpty() {
        return size == 0;
    }

    private WaitingOrder orderOf(Sequence sequence) {
        return sequence.guaranteed() ? guaranteed : bestEffort;
    }

    /// Cost of the prefills that go before a sequence that arrives, as [StepTime#cost] counts it;
    /// what several have in common counts once.
    long costAhead(Sequence arriving) {
        return arriving.guaranteed()
                ? guaranteed.ahead(arriving, guaranteedCost)
                : guaranteedCost + bestEffort.ahead(arriving, bestEffortCost);
    }

    /// Whether a short prompt that arrives may go before the sequence that goes next.
    boolean mayPass(Sequence arriving) {
        return !arriving.guaranteed()
                && guaranteed.first().isEmpty()
                && bestEffort
                        .first()
                        .filter(first -> !bestEffort.mayPass(arriving, first))
                        .isEmpty();
    }

    /// Estimates what is left to prefill of a sequence that arrives: from what the cache has now,
    /// and from what those before it will have computed.
    void expect(Sequence sequence) {
        int found = expectFromCache(sequence);
        sequence.queuedCost =
                sharesPrefix(sequence)
                        ? cost(sequence, expected.shared(sequence, found, this::precedes))
                        : sequence.expectedCost;
    }

    /// A further choice shares its prompt with the first one, and what generates nothing takes
    /// nothing from the cache.
    private static boolean sharesPrefix(Sequence sequence) {
        return sequence.generates() && sequence.leader().filter(Sequence::live).isEmpty();
    }

    private long cost(Sequence sequence, int cached) {
        return Math.round(stepTime.cost(cached, sequence.knownLength() - cached));
    }

    private boolean precedes(Sequence waiting, Sequence arriving) {
        return waiting.guaranteed() == arriving.guaranteed()
                ? orderOf(arriving).precedes(waiting, arriving)
                : waiting.guaranteed();
    }

    /// Returns how many blocks the cache has.
    private int expectFromCache(Sequence sequence) {
        int found = sharesPrefix(sequence) ? kv.cachedPrefix(sequence) : 0;
        int cached =
                sequence.leader().filter(Sequence::live).isPresent()
                        ? kv.sharedByChoice(sequence)
                        : Math.min(found * blockSize, sequence.maxShared());
        sequence.expectedPrefill = (long) sequence.knownLength() - cached;
        sequence.expectedCost = cost(sequence, cached);
        return found;
    }

    void add(Sequence sequence) {
        count(sequence, expectFromCache(sequence));
        if (!sequence.guaranteed()) {
            shortPrompts.add(sequence);
        }
        orderOf(sequence).add(sequence);
        size++;
        tokens += sequence.knownLength();
    }

    /// Counts what a waiting sequence adds to the queue.
    ///
    /// @param found blocks that the cache has
    private void count(Sequence sequence, int found) {
        sequence.queuedCost =
                sharesPrefix(sequence)
                        ? cost(sequence, expected.add(sequence, found, this::precedes))
                        : sequence.expectedCost;
        addCost(sequence, sequence.queuedCost);
    }

    private void addCost(Sequence sequence, long more) {
        if (sequence.guaranteed()) {
            guaranteedCost += more;
        } else {
            bestEffortCost += more;
        }
    }

    /// A sequence has ended, running or waiting: what others expected of it is counted for one of
    /// them.
    void ended(Sequence sequence) {
        Optional<Sequence> heir = expected.ended(sequence);
        if (heir.isPresent()) {
            addCost(heir.get(), -heir.get().queuedCost);
            expected.remove(heir.get());
            count(heir.get(), kv.cachedPrefix(heir.get()));
        }
    }

    void remove(Sequence sequence) {
        if (sequence.follows == null) {
            orderOf(sequence).remove(sequence);
        } else {
            unfollow(sequence, sequence.follows);
        }
        expected.remove(sequence);
        addCost(sequence, -sequence.queuedCost);
        if (!sequence.guaranteed()) {
            shortPrompts.remove(sequence);
        }
        size--;
        tokens -= sequence.knownLength();
    }

    /// As [WaitingOrder#hurries].
    boolean hurries(Sequence running) {
        return orderOf(running).hurries(running);
    }

    /// As [WaitingOrder#wantsShortSteps].
    boolean wantsShortSteps() {
        return guaranteed.wantsShortSteps() || bestEffort.wantsShortSteps();
    }

    void admitted(Sequence sequence, int cachedTokens) {
        orderOf(sequence).admitted(sequence, cachedTokens);
    }

    /// Counts one more id of a waiting sequence: the last step before its preemption returned a
    /// token.
    void grew() {
        tokens++;
    }

    /// Returns the sequence that goes next and waits for no computation of another; guaranteed ones
    /// first.
    Optional<Sequence> first() {
        Optional<Sequence> first = first(guaranteed);
        return first.isPresent() ? first : first(bestEffort);
    }

    Optional<Sequence> firstGuaranteed() {
        return first(guaranteed);
    }

    Optional<Sequence> firstBestEffort() {
        return first(bestEffort);
    }

    /// Returns the short prompt that may go before the best-effort sequence that goes next, or is
    /// that one; none while a guaranteed sequence waits.
    Optional<Sequence> nextShort() {
        for (int aside = 0; aside <= MAX_ASIDE && guaranteed.first().isEmpty(); aside++) {
            Optional<Sequence> first = bestEffort.first();
            Optional<Sequence> next =
                    first.isEmpty() ? first : shortPrompts.next(first.get(), bestEffort);
            if (next.isEmpty() || kv.producerFor(next.get()).isEmpty()) {
                return next;
            }
            setAside(next.get(), kv.producerFor(next.get()).get());
        }
        return Optional.empty();
    }

    private Optional<Sequence> first(WaitingOrder order) {
        for (int aside = 0; aside <= MAX_ASIDE; aside++) {
            Optional<Sequence> first = order.first();
            if (first.isEmpty()) {
                return first;
            }
            Optional<Sequence> producer = kv.producerFor(first.get());
            if (producer.isEmpty()) {
                return first;
            }
            setAside(first.get(), producer.get());
        }
        return Optional.empty();
    }

    /// Takes a sequence out of its order until a running one has computed its next blocks.
    private void setAside(Sequence sequence, Sequence producer) {
        orderOf(sequence).remove(sequence);
        sequence.follows = producer;
        sequence.nextFollower = producer.followers;
        producer.followers = sequence;
        timeline.waitsFor(sequence, producer);
    }

    private static void unfollow(Sequence sequence, Sequence producer) {
        @Nullable Sequence before = null;
        @Nullable Sequence each = producer.followers;
        while (each != null && each != sequence) {
            before = each;
            each = each.nextFollower;
        }
        if (each == null) {
            throw new IllegalStateException(sequence + " does not follow " + producer);
        }
        if (before == null) {
            producer.followers = sequence.nextFollower;
        } else {
            before.nextFollower = sequence.nextFollower;
        }
        sequence.nextFollower = null;
        sequence.follows = null;
    }

    private void requeueFollowers(Sequence producer) {
        @Nullable Sequence each = producer.followers;
        producer.followers = null;
        while (each != null) {
            @Nullable Sequence after = each.nextFollower;
            each.nextFollower = null;
            each.follows = null;
            orderOf(each).add(each);
            each = after;
        }
    }

    @Override
    public void prepareResources(StepPlan plan) {
        for (StepPlan.Row row : plan.rows()) {
            requeueFollowers(row.sequence());
            orderOf(row.sequence()).served(row);
        }
    }

    @Override
    public void updateResources(StepPlan plan) {}

    @Override
    public void freeResources(Sequence sequence) {
        requeueFollowers(sequence);
        orderOf(sequence).left(sequence);
    }

    /// Removes all waiting sequences and returns them in order of arrival.
    List<Sequence> drain(List<Sequence> running) {
        running.forEach(this::requeueFollowers);
        var all = new ArrayList<Sequence>(size);
        for (WaitingOrder order : List.of(guaranteed, bestEffort)) {
            for (Optional<Sequence> first = order.first();
                    first.isPresent();
                    first = order.first()) {
                order.remove(first.get());
                all.add(first.get());
            }
        }
        all.sort(Comparator.comparingLong(Sequence::arrival));
        size = 0;
        tokens = 0;
        guaranteedCost = 0;
        bestEffortCost = 0;
        shortPrompts.clear();
        expected.clear();
        return all;
    }
}
