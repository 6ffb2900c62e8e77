// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.CacheDomain;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.coordinator.FakeScheduler;
import dev.lockstep.coordinator.TestCoordinator;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Tests of the routing of requests when groups hold different prefixes.
final class PrefixRoutingTest {
    private static final int SLOTS = 1 << 20;
    private static final int BLOCK = FakeScheduler.BLOCK_SIZE;

    private static TestCoordinator tiny;
    private static FakeScheduler second;
    private static BlockHasher hasher;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        second = TestCoordinator.scheduler("second");
        tiny.cluster.another(Runnable::run).register(second.member());
        hasher = new BlockHasher(tiny.cluster.blockHashKey());
        for (FakeScheduler each : new FakeScheduler[] {tiny.scheduler, second}) {
            // With many slots a few sequences cost less than the short prefixes of these tests.
            each.publish(each.status().toBuilder().setMaxNumSeqs(SLOTS).build());
        }
    }

    @AfterAll
    static void stop() {
        second.close();
        tiny.close();
    }

    @BeforeEach
    void respondToAllRequests() {
        for (FakeScheduler each : new FakeScheduler[] {tiny.scheduler, second}) {
            each.behave(
                    call -> {
                        call.tokens(0, 5);
                        // The status includes the request, so the coordinator clears its own count.
                        each.publish(each.status());
                        call.finishByLength(0);
                    });
            each.idle();
        }
    }

    /// Returns the names of the full blocks of the prompt.
    private static BlockHash[] names(int[] prompt, String tenant, String salt) {
        long[] halves = new long[2 * (prompt.length / BLOCK)];
        BlockHash root = hasher.root(CacheDomain.of(tenant, salt, ""));
        int blocks = hasher.chain(root, prompt, prompt.length, BLOCK, halves);
        return IntStream.range(0, blocks)
                .mapToObj(i -> new BlockHash(halves[2 * i], halves[2 * i + 1]))
                .toArray(BlockHash[]::new);
    }

    private static int[] prompt(int first) {
        return IntStream.range(0, 6 * BLOCK + 1).map(i -> (first + i) % 500).toArray();
    }

    /// Sends the prompt and returns the group that received it.
    private static String sendTo(int[] prompt, String more, String tenant) throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(tiny.uri("/v1/completions"))
                        .POST(
                                HttpRequest.BodyPublishers.ofString(
                                        "{\"model\":\"tiny\",\"prompt\":"
                                                + Arrays.toString(prompt)
                                                + more
                                                + "}"));
        if (!tenant.isEmpty()) {
            request.header("x-lockstep-tenant", tenant);
        }
        HttpResponse<String> response = tiny.send(request.build());
        assertEquals(200, response.statusCode(), response.body());
        boolean atSecond = second.hasCalls();
        (atSecond ? second : tiny.scheduler).nextCall();
        return atSecond ? "second" : "first";
    }

    /// Sends requests until the group receives them: events of a scheduler take a moment to arrive.
    private static void awaitAt(String group, int[] prompt, String more, String tenant)
            throws Exception {
        var inARow = new AtomicInteger();
        Eventually.await(
                "requests go to the " + group + " group",
                () -> {
                    boolean there = sendTo(prompt, more, tenant).equals(group);
                    return inARow.updateAndGet(count -> there ? count + 1 : 0) == 6;
                });
    }

    @Test
    void aRequestIsSentToTheGroupThatHasItsPrefix() throws Exception {
        int[] prompt = prompt(1);
        second.blocks().store(names(prompt, "", ""));
        awaitAt("second", prompt, "", "");
        // The first group holds less of this prompt, and all of another one.
        tiny.scheduler.blocks().store(Arrays.copyOf(names(prompt, "", ""), 2));
        int[] other = prompt(100);
        tiny.scheduler.blocks().store(names(other, "", ""));
        awaitAt("first", other, "", "");
        awaitAt("second", prompt, "", "");
        second.blocks().remove(names(prompt, "", ""));
        awaitAt("first", prompt, "", "");
    }

    @Test
    void blockNamesDependOnTenantAndSaltAsInTheScheduler() throws Exception {
        int[] prompt = prompt(200);
        second.blocks().store(names(prompt, "acme", "pepper"));
        tiny.scheduler.blocks().store(names(prompt, "acme", ""));
        awaitAt("second", prompt, ",\"cache_salt\":\"pepper\"", "acme");
        awaitAt("first", prompt, "", "acme");
    }

    @Test
    void aLongQueueOutweighsACachedPrefix() throws Exception {
        int[] prompt = prompt(300);
        second.blocks().store(names(prompt, "", ""));
        awaitAt("second", prompt, "", "");
        second.busy(0, prompt.length);
        awaitAt("first", prompt, "", "");
        second.busy(SLOTS, 0);
        awaitAt("first", prompt, "", "");
        second.idle();
        awaitAt("second", prompt, "", "");
    }
}
