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
    private static final int NONE = -1;

    private final Parts parts;
    private final long[] mask;
    private final int vocabulary;

    /// Whether `mask` has what is allowed next.
    private boolean found;

    /// Whether the mask allows most ids, or no text is forced.
    private boolean open;

    private boolean mayRunAhead;
    private boolean complete;

    /// The first of the forced ids that no row has brought yet.
    private int foreseen = NONE;

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
        this.vocabulary = vocabulary;
        this.mask = new long[(vocabulary + Long.SIZE - 1) / Long.SIZE];
    }

    /// What is known after a sampled id.
    ///
    /// @param forced ids that follow it because the constraint leaves no other text
    /// @param complete whether the constraint allows nothing after them
    /// @param free how many tokens after them do not depend on the text
    /// @param open whether the next one is unlikely to force others
    record Continuation(List<Integer> forced, boolean complete, int free, boolean open) {
        static final Continuation FREE = new Continuation(List.of(), false, 0, false);

        Continuation {
            forced = List.copyOf(forced);
        }

        Continuation notOpen() {
            return new Continuation(forced, complete, free, false);
        }
    }

    /// Returns whether nothing can follow the text: what is sampled after it counts for nothing.
    boolean complete() {
        return complete;
    }

    /// Returns whether the next row may have been sent ahead although its mask depends on the text.
    boolean mayRunAhead() {
        return mayRunAhead;
    }

    /// A row brings the forced ids to all ranks. A row that does not was sent before they were
    /// known: it samples the first of them.
    void told() {
        foreseen = NONE;
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
        if (foreseen != NONE) {
            masked = true;
            long[] one = new long[mask.length];
            allow(foreseen, one);
            return Optional.of(one);
        }
        boolean restricts =
                parts.thinking.closes() || parts.matcher.isPresent() || !parts.badWords.isEmpty();
        if (!restricts && !masked) {
            return Optional.empty();
        }
        masked = restricts;
        findMask();
        return Optional.of(mask);
    }

    private void findMask() {
        if (found) {
            return;
        }
        if (parts.thinking.closes()) {
            // Whatever else the request asks for.
            Arrays.fill(mask, 0);
            allow(parts.thinking.nextClosing(), mask);
            open = false;
            return;
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
        int count = 0;
        for (long word : mask) {
            count += Long.bitCount(word);
        }
        if (count == 0) {
            throw new GrammarException("the model's vocabulary has no token that it allows next");
        }
        open = count >= vocabulary / 2 || parts.forced == ForcedText.NONE;
        found = true;
    }

    private void grammarMask(Matcher matcher) {
        matcher.mask(mask);
        if (matcher.mayEnd()) {
            for (int id : parts.endIds) {
                allow(id, mask);
            }
        }
    }

    private static void allow(int id, long[] mask) {
        mask[id / Long.SIZE] |= 1L << (id % Long.SIZE);
    }

    /// Goes on by a sampled id.
    ///
    /// @throws GrammarException if it is not allowed, or a limit is exceeded
    Continuation sampled(int id) {
        if (foreseen != NONE) {
            if (id != foreseen) {
                throw new GrammarException("token %d was chosen, not %d".formatted(id, foreseen));
            }
            return Continuation.FREE;
        }
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
        complete = parts.matcher.filter(Matcher::complete).isPresent();
        if (!forced.isEmpty()) {
            foreseen = forced.getFirst();
            open = false;
            if (parts.matcher.isPresent() && !complete) {
                findMask();
            }
        }
        mayRunAhead = open;
        return new Continuation(forced, complete, free(), open);
    }

    private int free() {
        return parts.matcher.isPresent() || !parts.badWords.isEmpty() ? 0 : parts.thinking.free();
    }

    /// False if the grammar does not allow the token.
    private boolean accept(int id) {
        found = false;
        if (parts.matcher.isPresent() && !parts.matcher.get().accept(id)) {
            return false;
        }
        acceptText(id);
        return true;
    }

    private void acceptText(int id) {
        found = false;
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
