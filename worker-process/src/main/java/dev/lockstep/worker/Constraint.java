// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.Matcher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/// What the generated text of one sequence must be: a text of a grammar, behind no more thinking
/// than its budget allows, without certain sequences of tokens. And how far the text has come.
///
/// Only the rank that samples has it; belongs to the step thread once its sequence is admitted.
final class Constraint {
    private final Parts parts;
    private final long[] mask;

    /// Whether the sampler of the slot has a mask that is not `allowed` alone.
    private boolean masked;

    /// @param matcher of the grammar; empty for any text
    /// @param forced finds the text that the grammar leaves no choice about
    /// @param closesAtOnce whether tokens that close the thinking need not be sampled
    /// @param textOf the bytes of a token, also of a special one
    /// @param endIds the ids that end the sequence, allowed where the text may end
    /// @param allowed the ids that the request allows, as a mask; empty for all
    record Parts(
            Optional<Matcher> matcher,
            ForcedText forced,
            ThinkingBudget thinking,
            boolean closesAtOnce,
            BadWords badWords,
            IntFunction<byte[]> textOf,
            int[] endIds,
            long[] allowed) {}

    Constraint(Parts parts, int vocabulary) {
        this.parts = parts;
        this.mask = new long[(vocabulary + Long.SIZE - 1) / Long.SIZE];
    }

    /// What is known after a sampled id.
    ///
    /// @param forced ids that follow it because the constraint leaves no other text
    /// @param complete whether the constraint allows nothing after them
    /// @param free how many tokens after them do not depend on the text
    record Continuation(List<Integer> forced, boolean complete, int free) {
        static final Continuation FREE = new Continuation(List.of(), false, 0);

        Continuation {
            forced = List.copyOf(forced);
        }
    }

    /// Goes on by the ids that were generated before.
    ///
    /// @throws IllegalArgumentException if it forbids one of them
    void generated(int[] ids) {
        for (int id : ids) {
            if (!accept(id)) {
                throw new IllegalArgumentException(
                        "the constraint forbids token %d, which was generated".formatted(id));
            }
        }
    }

    /// Returns the ids that are allowed next, if they are not those of the last call; valid until
    /// the next call.
    ///
    /// @throws GrammarException if there is none, or finding them exceeds a limit
    Optional<long[]> mask() {
        boolean restricts =
                parts.thinking.closes() || parts.matcher.isPresent() || !parts.badWords.isEmpty();
        if (!restricts && !masked) {
            return Optional.empty();
        }
        masked = restricts;
        if (parts.thinking.closes()) {
            // Whatever else the request asks for.
            Arrays.fill(mask, 0);
            allow(parts.thinking.nextClosing());
            return Optional.of(mask);
        }
        if (parts.matcher.isPresent()) {
            grammarMask(parts.matcher.get());
        } else {
            Arrays.fill(mask, -1);
        }
        for (int word = 0; word < parts.allowed.length; word++) {
            mask[word] &= parts.allowed[word];
        }
        parts.badWords.clear(mask);
        for (long word : mask) {
            if (word != 0) {
                return Optional.of(mask);
            }
        }
        throw new GrammarException("the model's vocabulary has no token that it allows next");
    }

    private void grammarMask(Matcher matcher) {
        matcher.mask(mask);
        if (matcher.mayEnd()) {
            for (int id : parts.endIds) {
                allow(id);
            }
        }
    }

    private void allow(int id) {
        mask[id / Long.SIZE] |= 1L << (id % Long.SIZE);
    }

    /// Goes on by a sampled id.
    ///
    /// @throws GrammarException if it is not allowed, or a limit is exceeded
    Continuation sampled(int id) {
        if (!accept(id)) {
            if (parts.matcher.orElseThrow().mayEnd() && isEnd(id)) {
                return Continuation.FREE;
            }
            throw new GrammarException("token %d was chosen, which it forbids".formatted(id));
        }
        List<Integer> forced = new ArrayList<>();
        while (parts.closesAtOnce && parts.thinking.closes()) {
            int next = parts.thinking.nextClosing();
            if (!accept(next)) {
                throw new GrammarException(
                        "token %d closes the thinking, which it forbids".formatted(next));
            }
            forced.add(next);
        }
        if (parts.matcher.isPresent() && !parts.thinking.closes()) {
            List<Integer> more = parts.forced.after(parts.matcher.get());
            more.forEach(this::acceptText);
            forced.addAll(more);
        }
        return new Continuation(
                forced, parts.matcher.filter(Matcher::complete).isPresent(), free());
    }

    private int free() {
        return parts.matcher.isPresent() || !parts.badWords.isEmpty() ? 0 : parts.thinking.free();
    }

    /// False if the grammar does not allow the token.
    private boolean accept(int id) {
        if (parts.matcher.isPresent() && !parts.matcher.get().accept(id)) {
            return false;
        }
        acceptText(id);
        return true;
    }

    private void acceptText(int id) {
        parts.thinking.accept(id, parts.textOf.apply(id));
        parts.badWords.accept(id);
    }

    private boolean isEnd(int id) {
        for (int end : parts.endIds) {
            if (end == id) {
                return true;
            }
        }
        return false;
    }
}
