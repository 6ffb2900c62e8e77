// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// A grammar in normal form and within limits, as it travels to who masks tokens. Immutable.
///
/// It knows no vocabulary; what is derived from it is made where it is used.
public final class CompiledGrammar {
    private final byte[] encoded;
    private final GrammarLimits limits;

    private CompiledGrammar(byte[] encoded, GrammarLimits limits) {
        this.encoded = encoded;
        this.limits = limits;
    }

    /// Brings a grammar into normal form.
    ///
    /// @throws GrammarException if it exceeds a limit, matches nothing, or has a rule that begins
    ///   with itself behind something that may be empty
    public static CompiledGrammar compile(Grammar grammar, GrammarLimits limits) {
        NormalGrammar normal = new GrammarCompiler(grammar, limits).compile();
        byte[] encoded = new GrammarWriter().write(normal);
        // a grammar whose first byte exceeds the limits is refused here, not at its first token
        new Automaton(normal).tryStart();
        return new CompiledGrammar(encoded, limits);
    }

    /// Reads what [#encode] wrote, and checks it as if it came from anybody.
    ///
    /// @throws GrammarException if the bytes are no grammar, or one that exceeds a limit
    public static CompiledGrammar decode(byte[] encoded, GrammarLimits limits) {
        byte[] copy = encoded.clone();
        if (new GrammarReader(copy, limits).read().rules().length == 0) {
            throw new GrammarException("an encoded grammar without rules");
        }
        return new CompiledGrammar(copy, limits);
    }

    public byte[] encode() {
        return encoded.clone();
    }

    /// The machine over a vocabulary. What it derives is shared by all its matchers.
    public TokenMachine on(TokenTrie trie) {
        return new TokenMachine(this, trie);
    }

    /// A matcher of bytes alone.
    public TextMatcher text() {
        return new TextMatcher(new Automaton(normal()));
    }

    NormalGrammar normal() {
        return new GrammarReader(encoded, limits).read();
    }
}
