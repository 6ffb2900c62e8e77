// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// What requests with a common beginning count in the queue: 1,000 tokens take 250 ms, so that
/// 8,000 take 2 s, and at most 10 s are accepted.
class ExpectedPrefixesTest {
    private static final int BLOCK = 16;
    private static final int LONG = 8000;
    private static final long SECOND = 1_000_000_000;
    private Scheduler scheduler = scheduler("fcfs", true);
    private int arrivals;

    private static Scheduler scheduler(String order, boolean prefixCache) {
        return new Scheduler(
                new GroupShape(
                        1, 64, 1000, 0, 1000, 9000, BLOCK, 20_000, List.of(KvGroupShape.full(64))),
                new WaitingLimits(10_000, 1 << 24, 10 * SECOND),
                new Policies("maximum-utilization", "fcfs", order, Map.of(), prefixCache),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence sequence(int[] prompt, String tenant, int priority, boolean guaranteed) {
        SchedulingOptions options = TestOptions.options(tenant, priority, guaranteed);
        return new Sequence(
                arrivals,
                "r" + arrivals++,
                prompt,
                Choice.of(1),
                WantedOutputs.NONE,
                options,
                Optional.empty(),
                1);
    }

    /// A prompt whose first tokens are common to all, and whose others no other has.
    private Sequence common(int tokens, int own) {
        int[] prompt = new int[tokens + own];
        Arrays.fill(prompt, 0, tokens, 1);
        Arrays.fill(prompt, tokens, prompt.length, 100 + arrivals);
        return sequence(prompt, "", 0, false);
    }

    private Submission submit(Sequence sequence) {
        return scheduler.submit(List.of(sequence), 0);
    }

    private Sequence queued(Sequence sequence) {
        assertInstanceOf(Submission.Queued.class, submit(sequence));
        return sequence;
    }

    /// Returns how many other long prompts fit into the queue.
    private int room() {
        int accepted = 0;
        while (submit(common(0, LONG)) instanceof Submission.Queued) {
            accepted++;
        }
        return accepted;
    }

    @Test
    void requestsThatShareAPromptCountItOnce() {
        for (int i = 0; i < 16; i++) {
            queued(common(LONG, 100));
        }
        // 2 s and 16 times 25 ms.
        assertEquals(4, room());
    }

    @Test
    void whatTheyDoNotShareCounts() {
        for (int i = 0; i < 5; i++) {
            queued(common(LONG / 2, LONG / 2));
        }
        // 1 s and five times 1 s; the third waits for 10 s.
        assertEquals(3, room());
    }

    @Test
    void withoutAPrefixCacheNothingIsShared() {
        scheduler = scheduler("fcfs", false);
        for (int i = 0; i < 5; i++) {
            queued(common(LONG, 100));
        }
        assertInstanceOf(Submission.TooLate.class, submit(common(LONG, 100)));
    }

    @Test
    void whenTheFirstIsCancelledAnotherCountsTheirPrompt() {
        Sequence first = queued(common(LONG, 100));
        for (int i = 0; i < 8; i++) {
            queued(common(LONG, 100));
        }
        scheduler.cancel(first, 0);
        assertEquals(4, room());
    }

    @Test
    void aPromptThatIsBeingComputedCountsWithTheSequenceThatRuns() {
        Sequence first = queued(common(LONG, 100));
        StepPlan plan = scheduler.plan(0);
        assertEquals(1000, plan.rows().getFirst().count());
        for (int i = 0; i < 16; i++) {
            queued(common(LONG, 100));
        }
        // It ends after its first step.
        scheduler.apply(new StepResult(1, plan.number(), List.of(), 0), 0);
        scheduler.cancel(first, 0);
        // 1.75 s and 16 times 25 ms.
        assertEquals(4, room());
    }

    @Test
    void aGuaranteedRequestAndOneOfHigherPriorityDoNotRelyOnThoseAfterThem() {
        scheduler = scheduler("priority", true);
        queued(common(LONG, 100));
        int[] prompt = common(LONG, 100).prompt();
        for (int i = 0; i < 3; i++) {
            queued(sequence(prompt, "", 1, false));
            queued(sequence(prompt, "", 2, false));
        }
        int accepted = 0;
        while (submit(sequence(common(0, LONG).prompt(), "", 2, false))
                instanceof Submission.Queued) {
            accepted++;
        }
        // One of the second priority counts all of it, and the two others nothing.
        assertEquals(4, accepted);
        int guaranteed = 0;
        queued(sequence(prompt, "", 0, true));
        while (submit(sequence(common(0, LONG).prompt(), "", 0, true))
                instanceof Submission.Queued) {
            guaranteed++;
        }
        assertEquals(4, guaranteed);
    }

    @Test
    void anotherTenantMayGoFirst() {
        scheduler = scheduler("fair", true);
        int[] prompt = common(LONG, 100).prompt();
        queued(sequence(prompt, "a", 0, false));
        Sequence other = queued(sequence(prompt, "b", 0, false));
        Sequence same = queued(sequence(prompt, "b", 0, false));
        assertEquals(LONG + 100, other.queuedCost);
        assertEquals(4, same.queuedCost, "the last tokens are always computed");
    }

    /// Prompts of a random tree that arrive and leave in random order: each block counts once.
    @Test
    void everyBlockCountsOnceWhoeverLeaves() {
        for (int seed = 0; seed < 20; seed++) {
            scheduler = scheduler("fcfs", true);
            var random = new Random(seed);
            var waiting = new ArrayList<Sequence>();
            for (int i = 0; i < 150; i++) {
                if (waiting.isEmpty() || random.nextInt(5) > 1) {
                    var tree = new int[BLOCK * (1 + random.nextInt(5)) + 1];
                    for (int at = 0; at < tree.length; at += BLOCK) {
                        tree[at] = random.nextInt(2);
                    }
                    Sequence sequence = sequence(tree, "", 0, false);
                    scheduler.submit(List.of(sequence), true, 0);
                    waiting.add(sequence);
                } else {
                    Sequence left = waiting.remove(random.nextInt(waiting.size()));
                    scheduler.cancel(left, 0);
                }
                assertEquals(distinct(waiting), counted(waiting), "seed " + seed + ", " + i);
            }
        }
    }

    /// The tokens of all blocks, and of the last token of each.
    private static long distinct(List<Sequence> waiting) {
        Set<List<Integer>> blocks = new HashSet<>();
        for (Sequence each : waiting) {
            var path = new ArrayList<Integer>();
            for (int at = 0; at + BLOCK <= each.promptLength() - 1; at += BLOCK) {
                path.add(each.prompt()[at]);
                blocks.add(List.copyOf(path));
            }
        }
        return (long) blocks.size() * BLOCK + waiting.size();
    }

    private static long counted(List<Sequence> waiting) {
        var costs = new HashMap<Sequence, Long>();
        waiting.forEach(each -> costs.put(each, each.queuedCost));
        return costs.values().stream().mapToLong(Long::longValue).sum();
    }
}
