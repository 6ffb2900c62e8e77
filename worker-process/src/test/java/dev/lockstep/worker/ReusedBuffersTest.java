// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cpu.ReusedMemory;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.Step;
import dev.lockstep.proto.v1.StepResult;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Nothing of one request is in the answer to another.
///
/// The answer to a request has the same bits on a new worker and on one whose memory was used by
/// another request and then overwritten with a marker, before every step. All native memory of the
/// kernels and every memory segment that a session holds is overwritten, whatever it is for; of KV
/// blocks and block tables, which stay from step to step, what no running sequence has.
class ReusedBuffersTest {
    /// As a float a NaN, as an id or a block far out of range.
    private static final int MARKER = 0x7fc0_dead;

    private static final int[] OTHERS_PROMPT = {401, 402, 403, 404, 405, 406, 407, 408, 409, 410};

    @TempDir Path folder;

    /// Every kind of request, each with the outputs that the worker has for it.
    enum Kind {
        GREEDY,
        SAMPLED,
        LOGPROBS,
        TOP_LOGPROBS,
        PROMPT_LOGPROBS,
        HIDDEN_STATES,
        MEAN,
        LAST,
        SCORE;

        Admission admission(int slot, int[] prompt) {
            Admission.Builder admission =
                    Admission.newBuilder()
                            .setSlot(slot)
                            .setRequestId("r")
                            .setGenerates(generates());
            for (int id : prompt) {
                admission.addPromptIds(id);
            }
            SamplingParams.Builder sampling =
                    this == GREEDY ? TestSteps.greedy() : TestSteps.seeded(9);
            sampling.setLogprobs(this == LOGPROBS || this == TOP_LOGPROBS)
                    .setTopLogprobs(this == TOP_LOGPROBS ? 5 : 0);
            PromptOutputs.Builder outputs = PromptOutputs.newBuilder();
            switch (this) {
                case GREEDY, SAMPLED, LOGPROBS, TOP_LOGPROBS -> {}
                case PROMPT_LOGPROBS -> outputs.setLogprobs(true).setTopLogprobs(3);
                case HIDDEN_STATES -> outputs.setHiddenStates(true);
                case MEAN -> outputs.setPooling(Pooling.POOLING_MEAN);
                case LAST -> outputs.setPooling(Pooling.POOLING_LAST);
                case SCORE -> outputs.setLogprobs(true).setFrom(3);
            }
            return admission
                    .setSampling(sampling.build().toByteString())
                    .setOutputs(outputs.build().toByteString())
                    .setWithoutKv(!generates())
                    .build();
        }

        boolean generates() {
            return switch (this) {
                case GREEDY, SAMPLED, LOGPROBS, TOP_LOGPROBS, PROMPT_LOGPROBS, HIDDEN_STATES ->
                        true;
                case MEAN, LAST, SCORE -> false;
            };
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void theAnswerIsThatOfANewWorkerThoughAllMemoryHasAMarker(Kind kind) throws IOException {
        List<StepResult> expected;
        try (TestWorker fresh = TestWorker.onTinyModel(folder);
                Session session = fresh.open(1)) {
            expected = answers(session, kind, () -> {});
        }
        try (TestWorker used = TestWorker.onTinyModel(folder);
                Session session = used.open(1)) {
            for (Kind other : Kind.values()) {
                run(session, other, OTHERS_PROMPT, () -> {});
            }
            List<PagedKv> kv = used.rank.kv();
            assertTrue(
                    ReusedMemory.fill(used.rank.kernels(), MARKER, List.of(), List.of()) > 1 << 16);
            List<StepResult> actual =
                    answers(
                            session,
                            kind,
                            () -> {
                                ReusedMemory.fill(used.rank.kernels(), MARKER, kv, tables(session));
                                fillUnusedEntries(session);
                                segments(session).forEach(each -> ReusedMemory.fill(each, MARKER));
                            });
            assertEquals(expected, actual);
            for (StepResult result : actual) {
                assertHasNoMarker(result.toByteString());
            }
        }
    }

    @Test
    void theSegmentsOfASessionAreFound() throws IOException {
        try (TestWorker worker = TestWorker.onTinyModel(folder);
                Session session = worker.open(1)) {
            assertEquals(
                    5,
                    segments(session).size(),
                    "of the batch, and of samples and residuals of two steps");
        }
    }

    private static void assertHasNoMarker(ByteString bytes) {
        ByteBuffer buffer = bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i + Integer.BYTES <= buffer.limit(); i++) {
            assertTrue(buffer.getInt(i) != MARKER, "the marker is at byte " + i);
        }
    }

    private static List<StepResult> answers(Session session, Kind kind, Runnable beforeStep) {
        return run(session, kind, TestSteps.PROMPT, beforeStep);
    }

    /// Runs a request in slot 3: its prompt in two chunks, then decode steps; without KV in one
    /// row. Slot 5 has a longer sequence that decodes in the same steps.
    private static List<StepResult> run(
            Session session, Kind kind, int[] prompt, Runnable beforeStep) {
        List<StepResult> results = new ArrayList<>();
        int[] others = Arrays.copyOf(OTHERS_PROMPT, 40);
        Step.Builder first =
                step(session)
                        .addAdmitted(Kind.TOP_LOGPROBS.admission(5, others))
                        .addRows(TestSteps.row(5, 0, 40, 20, 21, 22));
        results.add(result(session, beforeStep, first));
        Admission admission = kind.admission(3, prompt);
        if (!kind.generates()) {
            results.add(
                    result(
                            session,
                            beforeStep,
                            step(session)
                                    .addAdmitted(admission)
                                    .addRows(TestSteps.row(5, 40, 1))
                                    .addRows(TestSteps.row(3, 0, prompt.length))));
        } else {
            results.add(
                    result(
                            session,
                            beforeStep,
                            step(session)
                                    .addAdmitted(admission)
                                    .addRows(TestSteps.row(5, 40, 1))
                                    .addRows(TestSteps.row(3, 0, 7, 11, 6))));
            for (int computed = 7; computed < prompt.length + 8; ) {
                int count = Math.max(1, prompt.length - computed);
                Step.Builder next = step(session).addRows(TestSteps.row(3, computed, count));
                if (computed == 7) {
                    next.addRows(TestSteps.row(5, 41, 1));
                }
                results.add(result(session, beforeStep, next));
                computed += count;
            }
        }
        session.run(TestWorker.step(session, new int[] {3, 5}, List.of()));
        return results;
    }

    private static Step.Builder step(Session session) {
        return TestSteps.step(session.epoch(), session.lastNumber() + 1);
    }

    /// Returns the result without its number and time, which differ.
    private static StepResult result(Session session, Runnable before, Step.Builder step) {
        before.run();
        StepOutcome outcome = session.run(StepMessages.fromProto(step.build(), Optional.empty()));
        return StepMessages.toProto(outcome).toBuilder().clearNumber().clearComputeMicros().build();
    }

    private static List<Tensor> tables(Session session) {
        return List.of(held(session, BlockTables.class).ofGroup(0));
    }

    /// Overwrites the entries of the block tables after the blocks of running sequences.
    private static void fillUnusedEntries(Session session) {
        BlockTables tables = held(session, BlockTables.class);
        SlotTable slots = held(session, SlotTable.class);
        for (int group = 0; group < session.kvGroups(); group++) {
            Tensor table = tables.ofGroup(group);
            for (int slot = 0; slot < table.rows(); slot++) {
                int used = blocks(slots, slot, group);
                ReusedMemory.fill(
                        table.rows(slot, slot + 1).columns(used, table.columns()), MARKER);
            }
        }
        ReusedMemory.fill(tables.withoutKv(), MARKER);
    }

    private static int blocks(SlotTable slots, int slot, int group) {
        try {
            return slots.at(slot).blockCount(group);
        } catch (IllegalArgumentException empty) {
            return 0;
        }
    }

    private static <T> T held(Session session, Class<T> type) {
        Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        collect(session, seen, new ArrayList<>());
        return seen.stream().filter(type::isInstance).map(type::cast).findFirst().orElseThrow();
    }

    /// Returns every writable memory segment that an object of this package holds, directly or
    /// through others.
    private static List<MemorySegment> segments(Session session) {
        List<MemorySegment> found = new ArrayList<>();
        Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        collect(session, seen, found);
        return found;
    }

    private static void collect(Object object, Set<Object> seen, List<MemorySegment> found) {
        if (object instanceof MemorySegment segment) {
            if (!segment.isReadOnly() && segment.isNative()) {
                found.add(segment);
            }
            return;
        }
        if (!seen.add(object)) {
            return;
        }
        switch (object) {
            case Iterable<?> values -> values.forEach(each -> collect(each, seen, found));
            case Map<?, ?> map -> map.values().forEach(each -> collect(each, seen, found));
            case Object[] values -> {
                for (Object each : values) {
                    if (each != null) {
                        collect(each, seen, found);
                    }
                }
            }
            default -> {
                if (object.getClass().getPackageName().equals("dev.lockstep.worker")) {
                    fields(object, seen, found);
                }
            }
        }
    }

    private static void fields(Object object, Set<Object> seen, List<MemorySegment> found) {
        for (Field field : object.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || field.getType().isPrimitive()) {
                continue;
            }
            try {
                field.setAccessible(true);
                Object value = field.get(object);
                if (value != null) {
                    collect(value, seen, found);
                }
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
