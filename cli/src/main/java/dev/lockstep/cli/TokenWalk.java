// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Matcher;
import dev.lockstep.grammar.TokenTrie;
import dev.lockstep.text.Tokenizer;
import java.util.Arrays;
import java.util.Optional;

/// Follows texts token by token through the masks of a model's vocabulary, as a worker does.
final class TokenWalk {
    private final Tokenizer tokenizer;
    private final TokenTrie trie;

    TokenWalk(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.trie = tokenizer.trie(tokenizer.vocabularySize());
    }

    /// Returns where the tokens of a text leave the constraint.
    Optional<Departure> departure(CompiledGrammar compiled, String text) {
        int[] ids = tokenizer.encode(text, false);
        Matcher matcher = compiled.on(trie).matcher();
        long[] mask = new long[trie.words()];
        for (int i = 0; i < ids.length; i++) {
            matcher.mask(mask);
            boolean allowed = (mask[ids[i] / Long.SIZE] >>> ids[i] % Long.SIZE & 1) == 1;
            if (!allowed || !matcher.accept(ids[i])) {
                return Optional.of(
                        new Departure(
                                tokenizer.decode(Arrays.copyOf(ids, i), false),
                                tokenizer.decode(Arrays.copyOfRange(ids, i, ids.length), false),
                                "token %d".formatted(ids[i])));
            }
        }
        return matcher.mayEnd()
                ? Optional.empty()
                : Optional.of(new Departure(text, "", "the end"));
    }
}
