// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.coordinator.engine.SchedulerClient;
import io.grpc.Status;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Tests of `GET /metrics`, parsed as strictly as a scraper parses it.
final class MetricsTest {
    private static final Pattern SAMPLE =
            Pattern.compile("([a-z_]+(?:\\{[a-z_]+=\"[^\"]*\"})?) ([0-9.E]+)");
    private static final Pattern COMMENT =
            Pattern.compile("# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge))");

    private TestCoordinator tiny;

    @BeforeEach
    void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterEach
    void stop() {
        tiny.close();
    }

    private Map<String, Double> scrape() throws Exception {
        HttpResponse<String> response = tiny.get("/metrics");
        assertEquals(200, response.statusCode());
        String type = response.headers().firstValue("content-type").orElse("");
        assertTrue(type.startsWith("text/plain") && type.contains("version=0.0.4"), type);
        assertTrue(response.body().endsWith("\n"));
        Map<String, Double> samples = new LinkedHashMap<>();
        for (String line : response.body().lines().toList()) {
            if (line.startsWith("#")) {
                assertTrue(COMMENT.matcher(line).matches(), line);
                continue;
            }
            Matcher sample = SAMPLE.matcher(line);
            assertTrue(sample.matches(), line);
            assertTrue(line.startsWith("lockstep_"), line);
            assertFalse(samples.containsKey(sample.group(1)), "twice: " + line);
            samples.put(sample.group(1), Double.parseDouble(sample.group(2)));
        }
        return samples;
    }

    private void await(String name, double value) throws Exception {
        Eventually.await(
                name + " is " + value, () -> scrape().getOrDefault(name, Double.NaN) == value);
    }

    /// Metrics are sorted by name, so a help line must not refer to another metric's.
    @Test
    void aHelpLineRefersToNoOther() throws Exception {
        for (String line : tiny.get("/metrics").body().lines().toList()) {
            assertFalse(
                    line.startsWith("# HELP")
                            && line.matches(".*\\b(same|those|these|them|it was)\\b.*"),
                    line);
        }
    }

    @Test
    void theStatusOfAGroupIsReportedWithItsName() throws Exception {
        tiny.scheduler.publish(
                tiny.scheduler.status().toBuilder()
                        .setSteps(1000)
                        .setStepBytes(250_000)
                        .setMixedSteps(7)
                        .setRunning(3)
                        .setWaiting(2)
                        .setWaitingTokens(77)
                        .setBlocksTotal(100)
                        .setBlocksFree(40)
                        .setBlocksCached(30)
                        .setPromptTokens(5000)
                        .setCachedTokens(4000)
                        .setGeneratedTokens(600)
                        .setPreemptions(5)
                        .setExpired(4)
                        .setRefused(9)
                        .setRefusedByEstimate(8)
                        .setFormations(12)
                        .setLosses(11)
                        .setParked(13)
                        .setMigrations(14)
                        .setRecomputedTokens(15)
                        .setPoisoned(1)
                        .build());
        await("lockstep_steps_total{group=\"default\"}", 1000);
        Map<String, Double> samples = scrape();
        Map.ofEntries(
                        Map.entry("step_bytes_total", 250_000.0),
                        Map.entry("mixed_steps_total", 7.0),
                        Map.entry("running", 3.0),
                        Map.entry("waiting", 2.0),
                        Map.entry("waiting_tokens", 77.0),
                        Map.entry("blocks", 100.0),
                        Map.entry("blocks_free", 40.0),
                        Map.entry("blocks_cached", 30.0),
                        Map.entry("prompt_tokens_total", 5000.0),
                        Map.entry("cached_tokens_total", 4000.0),
                        Map.entry("generated_tokens_total", 600.0),
                        Map.entry("preemptions_total", 5.0),
                        Map.entry("expired_total", 4.0),
                        Map.entry("refused_total", 9.0),
                        Map.entry("refused_by_estimate_total", 8.0),
                        Map.entry("group_formations_total", 12.0),
                        Map.entry("group_losses_total", 11.0),
                        Map.entry("parked", 13.0),
                        Map.entry("migrations_total", 14.0),
                        Map.entry("recomputed_tokens_total", 15.0),
                        Map.entry("poisoned_total", 1.0),
                        Map.entry("group_ready", 1.0),
                        Map.entry("group_epoch", 1.0))
                .forEach(
                        (name, value) ->
                                assertEquals(
                                        value,
                                        samples.get("lockstep_" + name + "{group=\"default\"}"),
                                        name));
        tiny.scheduler.ready(false);
        await("lockstep_group_ready{group=\"default\"}", 0);
    }

    @Test
    void requestsAreCountedByStatus() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, 5);
                    call.finishByLength(0);
                });
        tiny.chat("");
        tiny.chatEvents("");
        tiny.post("/v1/chat/completions", TestCoordinator.chatBody("\"temperature\":9"));
        tiny.scheduler.behave(
                call -> {
                    call.tokens(0, 5);
                    call.fail(Status.DEADLINE_EXCEEDED);
                });
        tiny.chatEvents("");
        tiny.post("/tokenize", "{\"model\":\"tiny\",\"prompt\":\"Hello\"}");
        await("lockstep_requests_total{status=\"200\"}", 3);
        await("lockstep_requests_total{status=\"400\"}", 1);
        await("lockstep_requests_total{status=\"504\"}", 1);
        Map<String, Double> samples = scrape();
        assertEquals(3, samples.get("lockstep_router_requests_total{group=\"default\"}"));
        assertEquals(45, samples.get("lockstep_router_prompt_tokens_total{group=\"default\"}"));
        assertEquals(0, samples.get("lockstep_requests_open"));
    }

    @Test
    void withoutAGroupOnlyMetricsOfTheCoordinatorAreReported() {
        try (var schedulers = new SchedulerClient(Clock.SYSTEM, TestCoordinator.ACCESS, () -> {})) {
            var metrics = new Metrics(schedulers, new OpenRequests(), Optional.empty());
            assertEquals(
                    List.of("lockstep_requests_open 0.0", "lockstep_requests_resumed_total 0.0"),
                    new String(metrics.text(), StandardCharsets.UTF_8)
                            .lines()
                            .filter(line -> !line.startsWith("#"))
                            .toList());
        }
    }
}
