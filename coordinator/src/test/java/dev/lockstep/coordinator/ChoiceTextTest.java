// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.Sampling;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class ChoiceTextTest {
    private static ServedModel model;

    @BeforeAll
    static void read() throws Exception {
        model = TestCoordinator.tinyModel();
    }

    private static Sampling sampling(ObjectNode fields) {
        return SamplingFields.parse(
                new Fields(fields),
                model,
                OptionalInt.empty(),
                new SamplingFields.Logprobs(true, 0));
    }

    private static Sampling withStops(List<String> stops) {
        ObjectNode fields = TestCoordinator.object();
        stops.forEach(fields.putArray("stop")::add);
        return sampling(fields);
    }

    private static GeneratedToken token(int id) {
        return new GeneratedToken(id, -1, List.of());
    }

    /// Returns all deltas, joined in order.
    private static Delta all(Sampling sampling, int[] ids) {
        ChoiceText choice = choice(model, sampling);
        Delta all = Delta.EMPTY;
        for (int id : ids) {
            all = all.and(choice.push(token(id)));
        }
        return all.and(choice.finish(false, -1));
    }

    @Test
    void theTextEndsBeforeTheFirstStopStringForAnyTokens() {
        var random = new Random(7);
        List<String> words = List.of("a", "b", "ab", "ST", "STOP", " there", "é", "🎉", "Hello");
        for (int round = 0; round < 500; round++) {
            var text = new StringBuilder();
            for (int i = 0; i < 12; i++) {
                text.append(words.get(random.nextInt(words.size())));
            }
            List<String> stops = new ArrayList<>();
            for (int i = 0; i < random.nextInt(3); i++) {
                stops.add(
                        words.get(random.nextInt(words.size()))
                                + words.get(random.nextInt(words.size())));
            }
            int end = text.length();
            for (String stop : stops) {
                int at = text.indexOf(stop);
                end = at >= 0 ? Math.min(end, at) : end;
            }
            int[] ids = model.encode("prompt", text.toString(), false);
            Delta all = all(withStops(stops), ids);
            assertEquals(text.substring(0, end), all.text(), "round " + round + " stops " + stops);
            // The released tokens are the generated ones, in order, and their text is the whole.
            for (int i = 0; i < all.tokens().size(); i++) {
                assertEquals(ids[i], all.tokens().get(i).token().id());
            }
            int characters = all.text().codePointCount(0, all.text().length());
            for (Delta.Shown shown : all.inText()) {
                assertTrue(
                        stops.isEmpty() || shown.offset() < Math.max(1, characters),
                        "round " + round + ": a token after the end counts as part of the text");
            }
        }
    }

    @Test
    void aTokenIsNotReleasedBeforeItsText() {
        ChoiceText choice = choice(model, withStops(List.of("STOP")));
        int[] ids = model.encode("prompt", "ST", false);
        for (int id : ids) {
            assertEquals(Delta.EMPTY, choice.push(token(id)));
        }
        Delta late = Delta.EMPTY;
        for (int id : model.encode("prompt", "x", false)) {
            late = late.and(choice.push(token(id)));
        }
        assertEquals("STx", late.text());
        assertEquals(ids.length + 1, late.tokens().size());
    }

    @Test
    void anIdBeyondTheTokenizerHasNoTextButCounts() {
        var padded =
                new ServedModel(
                        List.of("padded"),
                        600,
                        512,
                        64,
                        true,
                        model.sentence(),
                        model.tokenizer(),
                        model.chatTemplate(),
                        model.endTokens(),
                        model.tokenizerInfo(),
                        model.defaults(),
                        model.answers(),
                        model.details(),
                        0);
        ChoiceText choice = choice(padded, withStops(List.of()));
        Delta delta = choice.push(token(555));
        assertEquals("", delta.text());
        assertEquals(List.of(555), delta.tokenIds());
        assertEquals(1, choice.tokenCount());
    }

    @Test
    void anIncompleteCharacterIsReleasedAtTheEnd() {
        int[] ids = model.encode("prompt", "é", false);
        assertEquals(2, ids.length);
        assertEquals("\uFFFD", all(withStops(List.of()), new int[] {ids[0]}).text());
    }

    @Test
    void aModelWithoutATokenizerReturnsTokensWithoutText() {
        ServedModel bare = Models.withoutTokenizer(model);
        ChoiceText choice = choice(bare, withStops(List.of()));
        Delta all = choice.push(token(300)).and(choice.push(token(301)));
        all = all.and(choice.finish(false, -1));
        assertEquals("", all.text());
        assertEquals(List.of(300, 301), all.tokenIds());
        ObjectNode fields = TestCoordinator.object();
        fields.putArray("stop").add("a");
        ApiError refused =
                assertThrows(
                        ApiError.class,
                        () ->
                                SamplingFields.parse(
                                        new Fields(fields),
                                        bare,
                                        OptionalInt.empty(),
                                        new SamplingFields.Logprobs(false, 0)));
        assertEquals("stop", refused.param());
    }

    private static ChoiceText choice(ServedModel model, Sampling sampling) {
        return new ChoiceText(model, sampling, sampling.endIds(), Set.of());
    }
}
