// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.scheduler.CacheEvents;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.SequenceEvent;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.Submission;
import dev.lockstep.scheduler.Timeline;
import dev.lockstep.scheduler.WaitingLimits;
import dev.lockstep.scheduler.WantedOutputs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReplayTest {
    @TempDir Path folder;

    /// Records random requests, cancels and deadlines under pressure.
    private Path record(String order) {
        Path file = folder.resolve("recording");
        int outputs = 0;
        var random = new Random(3);
        List<KvGroupShape> groups =
                List.of(
                        KvGroupShape.full(64),
                        new KvGroupShape(KvGroupShape.Kind.WINDOW, 9, 128, 1));
        var shape = new GroupShape(1, 6, 24, 0, 8, 120, 4, 60, groups);
        var limits = new WaitingLimits(50, 5000, 700_000_000);
        var policies = new Policies("maximum-utilization", "fcfs", order, Map.of("a", 3.0), true);
        var scheduler =
                new Scheduler(
                        shape,
                        limits,
                        policies,
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        new Timeline(64));
        try (Recording recording = Recording.to(file)) {
            recording.formed(shape, limits, policies, FakeWorker.KEY, CommonBlocks.NONE, 0);
            scheduler.recordTo(recording);
            var worker = new FakeWorker(shape, FakeRank::wanted);
            var all = new ArrayList<Sequence>();
            for (long nanos = 1; nanos < 400; nanos++) {
                if (random.nextInt(3) == 0) {
                    int[] prompt = prompt(random);
                    var options =
                            new SchedulingOptions(
                                    random.nextBoolean() ? "a" : "b",
                                    random.nextInt(3),
                                    random.nextInt(4) == 0,
                                    random.nextInt(5) == 0
                                            ? nanos + 40
                                            : SchedulingOptions.NO_DEADLINE,
                                    SchedulingOptions.Domain.COMMON,
                                    35,
                                    0);
                    boolean generates = random.nextInt(4) > 0;
                    WantedOutputs wanted = wanted(random.nextInt(prompt.length));
                    var sequence =
                            new Sequence(
                                    nanos,
                                    "r" + nanos,
                                    prompt,
                                    Choice.of(generates ? 1 + random.nextInt(20) : 0),
                                    generates ? WantedOutputs.NONE : wanted,
                                    options,
                                    Optional.empty(),
                                    2);
                    if (scheduler.submit(List.of(sequence), nanos) instanceof Submission.Queued) {
                        all.add(sequence);
                    }
                }
                if (!all.isEmpty() && random.nextInt(20) == 0) {
                    scheduler.cancel(all.get(random.nextInt(all.size())), nanos);
                }
                scheduler.expire(nanos);
                StepPlan plan = scheduler.plan(nanos);
                if (!plan.isEmpty()) {
                    outputs +=
                            (int)
                                    scheduler.apply(worker.run(plan), nanos).stream()
                                            .filter(SequenceEvent.Computed.class::isInstance)
                                            .count();
                }
            }
        }
        assertTrue(outputs > 20, outputs + " outputs of positions");
        return file;
    }

    /// Returns a real message: the recording keeps it as bytes, the replay reads it.
    private static WantedOutputs wanted(int from) {
        PromptOutputs outputs = PromptOutputs.newBuilder().setFrom(from).setLogprobs(true).build();
        return new WantedOutputs(from, Payload.of(outputs.toByteArray()));
    }

    /// Returns a prompt with one of a few beginnings.
    private static int[] prompt(Random random) {
        int[] ids = new int[1 + random.nextInt(30)];
        int beginning = random.nextInt(5);
        for (int i = 0; i < ids.length; i++) {
            ids[i] = i < 12 ? beginning : random.nextInt(FakeWorker.VOCABULARY);
        }
        return ids;
    }

    @ParameterizedTest
    @ValueSource(strings = {"fcfs", "priority", "longest-prefix", "fair"})
    void everyPlanEqualsTheRecordedOne(String order) throws IOException {
        Replay.Report report = Replay.of(record(order));
        assertEquals(List.of(), report.differences());
        assertTrue(report.plans() > 100 && report.requests() > 50, () -> "" + report);
    }

    @Test
    void aRecordingWithItsPromptsIsForItsOwnerAlone() throws IOException {
        Path file = folder.resolve("recording");
        Recording.to(file).close();
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }

    @Test
    void choicesOfALostGroupAreReplayedInTheNext() throws IOException {
        Path file = folder.resolve("recording");
        var limits = new WaitingLimits(50, 5000);
        int[] prompt = prompt(new Random(5));
        try (Recording recording = Recording.to(file)) {
            var choices = new ArrayList<Sequence>();
            for (int index = 0; index < 3; index++) {
                choices.add(
                        new Sequence(
                                index,
                                "r",
                                prompt,
                                Choice.of(4).withIndex(index),
                                WantedOutputs.NONE,
                                SchedulingOptions.NONE,
                                index == 0 ? Optional.empty() : Optional.of(choices.getFirst()),
                                1));
            }
            for (long epoch = 1; epoch <= 2; epoch++) {
                // One slot: the other choices wait.
                var shape =
                        new GroupShape(epoch, 1, 64, 120, 4, 60, List.of(KvGroupShape.full(64)));
                var scheduler =
                        new Scheduler(
                                shape,
                                limits,
                                Policies.DEFAULT,
                                new BlockHasher(FakeWorker.KEY),
                                CacheEvents.NONE,
                                new Timeline(64));
                recording.formed(
                        shape, limits, Policies.DEFAULT, FakeWorker.KEY, CommonBlocks.NONE, 0);
                scheduler.recordTo(recording);
                if (epoch == 1) {
                    scheduler.submit(choices, 1);
                    scheduler.plan(1);
                    assertEquals(choices, scheduler.lose(true, 2).parked());
                } else {
                    choices.forEach(each -> scheduler.resume(each, 2));
                    var worker = new FakeWorker(shape);
                    for (long nanos = 3; nanos < 30; nanos++) {
                        StepPlan plan = scheduler.plan(nanos);
                        if (!plan.isEmpty()) {
                            scheduler.apply(worker.run(plan), nanos);
                        }
                    }
                }
            }
        }
        Replay.Report report = Replay.of(file);
        assertEquals(List.of(), report.differences());
        assertTrue(report.plans() > 8, () -> "" + report);
    }

    @Test
    void aFileThatIsNotARecordingIsRefused() throws IOException {
        Path file = folder.resolve("text");
        Files.writeString(file, "not a recording at all");
        assertThrows(IOException.class, () -> Replay.of(file));
        Path cut = record("fcfs");
        byte[] bytes = Files.readAllBytes(cut);
        Files.write(cut, Arrays.copyOf(bytes, bytes.length - 3));
        IOException failure = assertThrows(IOException.class, () -> Replay.of(cut));
        assertTrue(("" + failure.getMessage()).contains("recording"), () -> "" + failure);
    }
}
