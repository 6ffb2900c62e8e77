// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.Regex;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.proto.v1.ThinkingBudget;
import dev.lockstep.proto.v1.TokenSequence;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Sequences whose text must match a grammar, on the tiny model, which would write anything else.
class ConstraintTest extends TinyWorkerSetting {
    private static final int[] NONE = {};
    private static final int END = 2;
    private static final int MOST = 60;

    /// `{"name":"…","age":…}`: the text between the values is forced.
    private static final Expression PERSON =
            Expression.sequence(
                    Expression.text("{\"name\":\""),
                    Expression.terminal(new Regex.Repeat(Regex.characters('a', 'z'), 1, 6)),
                    Expression.text("\",\"age\":"),
                    Expression.terminal(new Regex.Repeat(Regex.characters('0', '9'), 1, 3)),
                    Expression.text("}"));

    private static final String PERSON_PATTERN = "\\{\"name\":\"[a-z]{1,6}\",\"age\":[0-9]{1,3}}";

    private static Tokenizer tokenizer;
    private static Constraints constraints;

    @BeforeAll
    static void readVocabulary() {
        tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        constraints = Constraints.by(tokenizer, 512);
    }

    private static ByteString compiled(Expression text) {
        byte[] grammar =
                CompiledGrammar.compile(
                                new Grammar(Map.of("text", text), "text"), GrammarLimits.DEFAULT)
                        .encode();
        return TextConstraint.newBuilder()
                .setGrammar(ByteString.copyFrom(grammar))
                .build()
                .toByteString();
    }

    /// A sequence in a slot of its own, driven as the scheduler drives it.
    private static final class Sequence {
        final int slot;
        final ByteString constraint;
        final SamplingSettings settings;
        final List<Integer> outputs = new ArrayList<>();
        final List<Integer> rowEnds = new ArrayList<>();
        List<Integer> told = List.of();
        final Deque<StepOutcome.Sampled> late = new ArrayDeque<>();
        int computed;
        int foreseen;
        int forced;
        int ahead;
        int inVain;
        boolean open;
        boolean ended;
        boolean complete;

        Sequence(int slot, ByteString constraint, SamplingSettings settings) {
            this.slot = slot;
            this.constraint = constraint;
            this.settings = settings;
        }

        Step.Admission admission() {
            var plain =
                    new Step.Admission(
                            "r",
                            slot,
                            PROMPT,
                            outputs.stream().mapToInt(id -> id).toArray(),
                            settings,
                            0);
            return constraint.isEmpty() ? plain : plain.with(constraints.of(constraint, plain));
        }

        /// Applies a late result, unless the next row can be sent ahead of it.
        Step.Row row() {
            if (!late.isEmpty() && !open) {
                apply(late.remove());
            }
            ahead += late.size() - foreseen;
            int count = PROMPT.length + outputs.size() + late.size() - foreseen - computed;
            boolean first = computed == 0;
            int[] blocks =
                    first
                            ? new int[] {
                                1 + 5 * slot, 2 + 5 * slot, 3 + 5 * slot, 4 + 5 * slot, 5 + 5 * slot
                            }
                            : NONE;
            int[] ids = told.stream().mapToInt(id -> id).toArray();
            var row = new Step.Row(slot, computed, count, List.of(blocks), List.of(), ids);
            computed += count;
            told = List.of();
            return row;
        }

        /// @param lag how many results may be applied late
        void receive(StepOutcome.Sampled sampled, int lag) {
            late.add(sampled);
            while (late.size() > lag && !ended) {
                apply(late.remove());
            }
        }

        private void apply(StepOutcome.Sampled sampled) {
            if (foreseen > 0) {
                foreseen--;
                return;
            }
            open = sampled.continuation().open();
            outputs.add(sampled.id());
            if (sampled.id() == END) {
                ended = true;
                return;
            }
            List<Integer> more = sampled.continuation().forced();
            if (!more.isEmpty()) {
                told =
                        late.isEmpty()
                                ? Stream.concat(Stream.of(sampled.id()), more.stream()).toList()
                                : more;
                foreseen = late.size();
                inVain += foreseen;
            }
            outputs.addAll(more);
            rowEnds.add(outputs.size());
            forced += more.size();
            complete = sampled.continuation().complete();
            ended = complete || outputs.size() >= MOST;
        }

        String text() {
            return tokenizer.decode(outputs.stream().mapToInt(id -> id).toArray(), true);
        }
    }

    /// Runs sequences together to their ends.
    private static void run(Session session, Sequence... sequences) {
        run(session, 0, sequences);
    }

    /// @param lag 1 to send rows ahead where a constraint leaves the token before open
    private static void run(Session session, int lag, Sequence... sequences) {
        List<Step.Admission> admitted = new ArrayList<>();
        List<Integer> released = new ArrayList<>();
        for (Sequence sequence : sequences) {
            admitted.add(sequence.admission());
        }
        List<Sequence> running = new ArrayList<>(List.of(sequences));
        while (!running.isEmpty()) {
            StepOutcome outcome =
                    session.run(
                            TestWorker.step(
                                    session,
                                    released.stream().mapToInt(slot -> slot).toArray(),
                                    admitted,
                                    running.stream().map(Sequence::row).toArray(Step.Row[]::new)));
            admitted = List.of();
            released.clear();
            assertEquals(List.of(), outcome.refused());
            for (StepOutcome.Sampled sampled : outcome.sampled()) {
                running.stream()
                        .filter(each -> each.slot == sampled.slot())
                        .findFirst()
                        .orElseThrow()
                        .receive(sampled, lag);
            }
            running.removeIf(
                    each -> {
                        if (each.ended) {
                            released.add(each.slot);
                        }
                        return each.ended;
                    });
        }
        session.run(
                TestWorker.step(
                        session, released.stream().mapToInt(slot -> slot).toArray(), List.of()));
    }

    private static SamplingSettings sampled(long seed) {
        return SamplingSettings.builder()
                .temperature(1)
                .frequencyPenalty(0.3f)
                .seed(seed)
                .maskedIds(new int[] {END})
                .build();
    }

    @Test
    void theTextMatchesTheGrammarAndEndsWithIt() {
        ByteString person = compiled(PERSON);
        try (Session session = worker.open(1)) {
            for (int seed = 0; seed < 10; seed++) {
                var alone = new Sequence(0, person, sampled(seed));
                run(session, alone);
                assertTrue(alone.text().matches(PERSON_PATTERN), alone::text);
                assertTrue(alone.complete);
                assertTrue(alone.forced > 4, alone.forced + " forced ids in " + alone.text());
            }
        }
    }

    @Test
    void itIsTheSameInAnyBatchAndAfterAPreemption() {
        ByteString person = compiled(PERSON);
        try (Session session = worker.open(2)) {
            var alone = new Sequence(0, person, sampled(3));
            run(session, alone);
            var again = new Sequence(2, person, sampled(3));
            run(
                    session,
                    new Sequence(0, compiled(Expression.plus(Expression.text("ab"))), sampled(1)),
                    again,
                    new Sequence(1, person, sampled(7)));
            assertEquals(alone.outputs, again.outputs);
            for (int kept : alone.rowEnds.subList(0, alone.rowEnds.size() - 1)) {
                var resumed = new Sequence(4, person, sampled(3));
                resumed.outputs.addAll(alone.outputs.subList(0, kept));
                run(session, resumed);
                assertEquals(alone.outputs, resumed.outputs, "resumed after " + kept);
            }
        }
    }

    /// A row that is sent before the token that it needs is known comes to the same text, also
    /// where that token forces others.
    @Test
    void rowsSentAheadChangeNothing() {
        ByteString sentences =
                compiled(
                        Expression.plus(
                                Expression.sequence(
                                        Expression.terminal(
                                                new Regex.Repeat(
                                                        Regex.characters(' ', '~'), 5, 12)),
                                        Expression.text("\n--- next ---\n"))));
        try (Session session = worker.open(6)) {
            int ahead = 0;
            int inVain = 0;
            for (int seed = 0; seed < 6; seed++) {
                var inTurn = new Sequence(0, sentences, sampled(seed));
                run(session, inTurn);
                var sentAhead = new Sequence(1, sentences, sampled(seed));
                run(session, 1, sentAhead, new Sequence(2, sentences, sampled(9)));
                assertEquals(inTurn.outputs, sentAhead.outputs);
                assertTrue(inTurn.forced > 8, inTurn::text);
                ahead += sentAhead.ahead;
                inVain += sentAhead.inVain;
            }
            assertTrue(ahead > 20 && inVain > 3, ahead + " rows ahead, " + inVain + " in vain");
        }
    }

    /// Measured tokens are sampled one by one.
    @Test
    void noTokenIsForcedWhereLogprobsAreRequested() {
        try (Session session = worker.open(3)) {
            SamplingSettings measured = sampled(5).toBuilder().logprobs(true).build();
            var sequence = new Sequence(0, compiled(PERSON), measured);
            run(session, sequence);
            assertEquals(0, sequence.forced);
            assertTrue(sequence.text().matches(PERSON_PATTERN), sequence::text);
        }
    }

    /// Allowed ids hold alone, and together with a grammar; an id is in the text only if both allow
    /// it.
    @Test
    void onlyAllowedIdsAreChosen() {
        int[] letters = IntStream.of('c', 'a', 'd').map(ConstraintTest::letter).toArray();
        SamplingSettings restricted = sampled(4).toBuilder().allowedIds(letters).build();
        ByteString word =
                compiled(Expression.terminal(new Regex.Repeat(Regex.characters('a', 'c'), 9, 9)));
        try (Session session = worker.open(5)) {
            var free = new Sequence(0, ByteString.EMPTY, restricted);
            var both = new Sequence(1, word, restricted);
            run(session, free, both);
            assertTrue(free.text().matches("[acd]{" + MOST + "}"), free::text);
            assertTrue(both.text().matches("[ac]{9}"), both::text);
            assertEquals(0, both.forced);
            // The next sequence of the slot is free again.
            var next = new Sequence(0, ByteString.EMPTY, sampled(4));
            run(session, next);
            assertFalse(next.text().matches("[acd]*"), next::text);
        }
    }

    private static int letter(int character) {
        return tokenizer.encode(Character.toString(character), false)[0];
    }

    /// Thinking between `[` and `]`, which the prompt opened.
    private static ByteString thinking(int tokens, ByteString constraint) throws Exception {
        ThinkingBudget.Builder budget =
                ThinkingBudget.newBuilder()
                        .setTokens(tokens)
                        .setOpened(true)
                        .setOpening(ByteString.copyFromUtf8("["))
                        .setClosing(ByteString.copyFromUtf8("]"));
        for (int id : tokenizer.encode("\n]\n", false)) {
            budget.addClosingIds(id);
        }
        return TextConstraint.parseFrom(constraint).toBuilder()
                .setThinking(budget)
                .build()
                .toByteString();
    }

    /// Text without the closing marker is what the sequence would write anyway.
    @Test
    void thinkingIsClosedAfterItsBudgetAndTheGrammarBeginsBehindIt() throws Exception {
        Expression before =
                Expression.sequence(
                        Expression.terminal(Regex.until(Regex.text("]"))), Expression.text("\n"));
        ByteString person = thinking(5, compiled(Expression.sequence(before, PERSON)));
        ByteString free = thinking(5, ByteString.EMPTY);
        ByteString none = thinking(0, ByteString.EMPTY);
        SamplingSettings measured = sampled(6).toBuilder().logprobs(true).build();
        try (Session session = worker.open(6)) {
            var plain = new Sequence(0, ByteString.EMPTY, sampled(6));
            var bound = new Sequence(1, person, sampled(6));
            var thought = new Sequence(2, free, sampled(6));
            var thoughtless = new Sequence(3, none, sampled(6));
            run(session, plain, bound, thought, thoughtless);
            String begin = text(plain.outputs.subList(0, 5)) + "\n]\n";
            assertFalse(begin.substring(0, begin.length() - 3).contains("]"), begin);
            assertEquals(plain.outputs.subList(0, 5), thought.outputs.subList(0, 5));
            assertTrue(thought.text().startsWith(begin), thought::text);
            assertEquals(3, thought.forced);
            assertTrue(thoughtless.text().startsWith("\n]\n"), thoughtless::text);
            assertEquals(2, thoughtless.forced);
            int marker = bound.text().indexOf("]\n");
            assertTrue(bound.text().substring(marker + 2).matches(PERSON_PATTERN), bound::text);
            // The same one by one, and after a preemption anywhere.
            var slow = new Sequence(0, free, measured);
            run(session, slow);
            assertEquals(0, slow.forced);
            assertTrue(slow.text().startsWith(begin), slow::text);
            for (int kept : thought.rowEnds.subList(0, 9)) {
                var resumed = new Sequence(4, free, sampled(6));
                resumed.outputs.addAll(thought.outputs.subList(0, kept));
                run(session, resumed);
                assertEquals(thought.outputs, resumed.outputs, "resumed after " + kept);
            }
        }
    }

    @Test
    void theLastTokenOfABadWordDoesNotFollowTheOthers() {
        int[] letters = IntStream.of('c', 'a', 'd').map(ConstraintTest::letter).toArray();
        SamplingSettings restricted = sampled(4).toBuilder().allowedIds(letters).build();
        ByteString words =
                TextConstraint.newBuilder()
                        .addBadWords(word("ca"))
                        .addBadWords(word("dad"))
                        .addBadWords(word("cc"))
                        .build()
                        .toByteString();
        ByteString without =
                compiled(Expression.terminal(new Regex.Repeat(Regex.characters('a', 'b'), 9, 9)));
        try (Session session = worker.open(7)) {
            var free = new Sequence(0, ByteString.EMPTY, restricted);
            var bound = new Sequence(1, words, restricted);
            var banned =
                    new Sequence(
                            2,
                            without,
                            sampled(4).toBuilder().bannedIds(new int[] {letter('a')}).build());
            var unbound =
                    new Sequence(
                            3, ByteString.EMPTY, sampled(4).toBuilder().bannedIds(letters).build());
            run(session, free, bound, banned, unbound);
            for (int letter : letters) {
                assertFalse(unbound.outputs.contains(letter), unbound::text);
            }
            assertTrue(free.text().matches(".*(ca|dad|cc).*"), free::text);
            assertFalse(bound.text().matches(".*(ca|dad|cc).*"), bound::text);
            assertEquals(MOST, bound.outputs.size());
            assertEquals("bbbbbbbbb", banned.text());
            for (int kept = 1; kept < 8; kept++) {
                var resumed = new Sequence(4, words, restricted);
                resumed.outputs.addAll(bound.outputs.subList(0, kept));
                run(session, resumed);
                assertEquals(bound.outputs, resumed.outputs, "resumed after " + kept);
            }
        }
    }

    private static TokenSequence word(String text) {
        return TokenSequence.newBuilder()
                .addAllIds(text.chars().map(ConstraintTest::letter).boxed().toList())
                .build();
    }

    private static String text(List<Integer> ids) {
        return tokenizer.decode(ids.stream().mapToInt(id -> id).toArray(), false);
    }

    @Test
    void anEndTokenIsAllowedWhereTheTextMayEnd() {
        ByteString letters = compiled(Expression.terminal(Regex.plus(Regex.characters('a', 'z'))));
        SamplingSettings likely = sampled(2).toBuilder().logitBias(Map.of(END, 8f)).build();
        try (Session session = worker.open(4)) {
            var sequence = new Sequence(0, letters, likely);
            run(session, sequence);
            assertEquals(END, sequence.outputs.getLast());
            assertTrue(sequence.outputs.size() > 1, "the empty text does not match");
            assertTrue(sequence.text().matches("[a-z]+"), sequence::text);
        }
    }

    @Test
    void anAllowedIdOutsideTheVocabularyRefusesItsRequest() {
        var plain =
                new Step.Admission(
                        "r",
                        0,
                        PROMPT,
                        NONE,
                        sampled(1).toBuilder().allowedIds(new int[] {512}).build(),
                        0);
        assertThrows(IllegalArgumentException.class, () -> constraints.of(compiled(PERSON), plain));
    }

    @Test
    void aConstraintThatCannotBeReadRefusesItsRequestAlone() {
        var admission =
                dev.lockstep.proto.v1.Admission.newBuilder()
                        .setGenerates(true)
                        .setSampling(
                                dev.lockstep.proto.v1.SamplingParams.newBuilder()
                                        .setTopP(1)
                                        .setRepetitionPenalty(1)
                                        .build()
                                        .toByteString())
                        .addPromptIds(1)
                        .setConstraint(ByteString.copyFromUtf8("no grammar"));
        var step = dev.lockstep.proto.v1.Step.newBuilder().addAdmitted(admission).build();
        Step.Admission read =
                StepMessages.fromProto(step, Optional.of(constraints)).admitted().getFirst();
        assertTrue(read.refusal().orElseThrow().startsWith("the constraint cannot"));
        // Another rank does not read it.
        assertEquals(
                Optional.empty(),
                StepMessages.fromProto(step, Optional.empty()).admitted().getFirst().refusal());
    }
}
