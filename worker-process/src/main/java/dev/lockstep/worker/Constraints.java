// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.Matcher;
import dev.lockstep.grammar.TokenMachine;
import dev.lockstep.grammar.TokenTrie;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// Makes the constraints of sequences from the grammars of their requests, on the rank that
/// samples. Sequences with equal grammars of one domain share what is derived from them.
///
/// Not on the step thread: a first constraint waits for the vocabulary. Thread-safe.
final class Constraints {
    private static final Logger LOG = LogManager.getLogger(Constraints.class);
    private static final int MACHINES = 32;

    /// What was checked by whoever compiled it is only read here; what is derived on the way has
    /// less room, since there is one for each grammar in use.
    private static final GrammarLimits LIMITS =
            new GrammarLimits(
                    GrammarLimits.DEFAULT.depth(),
                    GrammarLimits.DEFAULT.nodes(),
                    16L << 20,
                    GrammarLimits.DEFAULT.compileWork(),
                    GrammarLimits.DEFAULT.callWork());

    private final Optional<Supplier<Tokenizer>> tokenizer;
    private final int vocabulary;

    private final Map<Key, TokenMachine> machines =
            new LinkedHashMap<>(16, 0.75f, true) {
                @Override
                protected boolean removeEldestEntry(Map.Entry<Key, TokenMachine> eldest) {
                    return size() > MACHINES;
                }
            };

    private boolean preparing;
    private @Nullable Tokens tokens;

    /// Of a machine. What another domain derived must not show in the time of a step.
    private record Key(ByteString domain, ByteString grammar) {}

    /// The tokenizer of the model, and its tokens by their bytes.
    private record Tokens(Tokenizer tokenizer, TokenTrie trie, ForcedText forced) {
        private static final byte[] NOTHING = {};

        /// Returns the bytes of a token: nothing for a padded row of the model's output.
        byte[] textOf(int id) {
            return id < tokenizer.vocabularySize() ? tokenizer.bytes(id) : NOTHING;
        }
    }

    private Constraints(Optional<Supplier<Tokenizer>> tokenizer, int vocabulary) {
        this.tokenizer = tokenizer;
        this.vocabulary = vocabulary;
    }

    /// Returns those of a rank that samples.
    ///
    /// @param vocabulary of the model's output, which may exceed the tokenizer's
    static Constraints of(TokenizerSource source, int vocabulary) {
        return new Constraints(
                source.hasTokenizer() ? Optional.of(() -> Tokenizers.of(source)) : Optional.empty(),
                vocabulary);
    }

    static Constraints by(Tokenizer tokenizer, int vocabulary) {
        return new Constraints(Optional.of(() -> tokenizer), vocabulary);
    }

    /// Begins to read the vocabulary, on a thread of its own, so that the first constraint does not
    /// wait. Only the first call has an effect.
    synchronized void prepareLater() {
        if (preparing || tokenizer.isEmpty()) {
            return;
        }
        preparing = true;
        Thread.ofPlatform().daemon().name("vocabulary").start(this::prepare);
    }

    private void prepare() {
        try {
            tokenizer.ifPresent(this::tokens);
        } catch (RuntimeException e) {
            // A request with a constraint gets this error, others do without.
            LOG.warn("the tokenizer cannot be read for constraints", e);
        }
    }

    /// Returns the constraint of a sequence.
    ///
    /// @param encoded a `TextConstraint`
    /// @throws IllegalArgumentException if it cannot be had
    Constraint of(ByteString encoded, Step.Admission admission) {
        Supplier<Tokenizer> reads =
                tokenizer.orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "a constraint needs the model's tokenizer, which has no files"));
        SamplingSettings settings = admission.settings();
        settings.requireVocabulary(vocabulary);
        try {
            TextConstraint proto = TextConstraint.parseFrom(encoded);
            Tokens known = tokens(reads);
            BadWords words = BadWords.of(proto.getBadWordsList(), vocabulary);
            // A forced token has no logits that could be measured, and none that restrict it.
            boolean measured = settings.measures() || admission.outputs().readsHiddenStates();
            boolean sampled = measured || settings.restricts() || !words.isEmpty();
            var constraint =
                    new Constraint(
                            new Constraint.Parts(
                                    matcher(proto, known.trie),
                                    sampled ? ForcedText.NONE : known.forced,
                                    proto.hasThinking()
                                            ? thinking(proto.getThinking())
                                            : ThinkingBudget.NONE,
                                    !measured,
                                    words,
                                    known::textOf,
                                    settings.maskedIds(),
                                    settings.restricts() ? settings.mask(vocabulary) : new long[0]),
                            vocabulary);
            constraint.generated(admission.outputIds());
            return constraint;
        } catch (InvalidProtocolBufferException | GrammarException e) {
            throw new IllegalArgumentException(
                    "the constraint cannot be followed: " + e.getMessage(), e);
        }
    }

    private ThinkingBudget thinking(dev.lockstep.proto.v1.ThinkingBudget proto) {
        for (int id : proto.getClosingIdsList()) {
            if (id < 0 || id >= vocabulary) {
                throw new IllegalArgumentException(
                        "thinking is closed by token %d, must be in [0, %d]"
                                .formatted(id, vocabulary - 1));
            }
        }
        return ThinkingBudget.of(proto);
    }

    /// Returns a matcher of the grammar; empty for any text.
    private Optional<Matcher> matcher(TextConstraint constraint, TokenTrie trie) {
        return constraint.getGrammar().isEmpty()
                ? Optional.empty()
                : Optional.of(machine(constraint, trie).matcher());
    }

    private synchronized TokenMachine machine(TextConstraint constraint, TokenTrie trie) {
        var key = new Key(constraint.getDomain(), constraint.getGrammar());
        TokenMachine known = machines.get(key);
        if (known == null) {
            known = CompiledGrammar.decode(key.grammar.toByteArray(), LIMITS).on(trie);
            machines.put(key, known);
        }
        return known;
    }

    private synchronized Tokens tokens(Supplier<Tokenizer> reads) {
        Tokens known = tokens;
        if (known == null) {
            Tokenizer read = reads.get();
            known = new Tokens(read, read.trie(vocabulary), ForcedText.by(read));
            tokens = known;
        }
        return known;
    }
}
