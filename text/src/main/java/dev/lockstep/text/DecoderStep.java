// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A change that a decoder makes to the text of one token; immutable.
sealed interface DecoderStep {
    /// Returns the changed text.
    ///
    /// @param first whether the token is the first of its text
    String apply(String token, boolean first);

    /// Returns whether the step changes each character regardless of its neighbours.
    default boolean isPerCharacter() {
        return false;
    }

    /// Returns whether the first token changes in another way.
    default boolean isPositional() {
        return false;
    }

    /// A space before every token but the first: the decoding of files without a decoder.
    record Spaced() implements DecoderStep {
        @Override
        public boolean isPositional() {
            return true;
        }

        @Override
        public String apply(String token, boolean first) {
            return first ? token : " " + token;
        }
    }

    /// A symbol for a space, dropped from the first token if the encoder prepends it.
    record Metaspace(String symbol, boolean prepended) implements DecoderStep {
        @Override
        public boolean isPositional() {
            return prepended;
        }

        @Override
        public String apply(String token, boolean first) {
            return token.replace(symbol, first && prepended ? "" : " ");
        }

        @Override
        public boolean isPerCharacter() {
            return true;
        }
    }

    /// A replacement of a fixed text.
    record Literal(String from, String to) implements DecoderStep {
        @Override
        public String apply(String token, boolean first) {
            return token.replace(from, to);
        }

        @Override
        public boolean isPerCharacter() {
            return !from.isEmpty() && from.codePointCount(0, from.length()) == 1;
        }
    }

    /// A replacement of the matches of a pattern.
    record Matches(TokenPattern pattern, String to) implements DecoderStep {
        @Override
        public String apply(String token, boolean first) {
            return Normalizers.replace(token, pattern, to);
        }
    }

    /// The removal of up to `start` and `stop` occurrences of a character at the ends of a token.
    record Strip(String content, int start, int stop) implements DecoderStep {
        @Override
        public String apply(String token, boolean first) {
            int from = 0;
            for (int i = 0; i < start && token.startsWith(content, from); i++) {
                from += content.length();
            }
            String result = token.substring(from);
            for (int i = 0; i < stop && result.endsWith(content); i++) {
                result = result.substring(0, result.length() - content.length());
            }
            return result;
        }
    }

    /// BERT's decoding: a space before every token that does not continue a word.
    record WordPiece(String prefix, boolean cleanup) implements DecoderStep {
        @Override
        public boolean isPositional() {
            return true;
        }

        @Override
        public String apply(String token, boolean first) {
            String spaced = token;
            if (!first) {
                spaced = token.startsWith(prefix) ? token.substring(prefix.length()) : " " + token;
            }
            return cleanup ? cleanup(spaced) : spaced;
        }

        private static String cleanup(String text) {
            return text.replace(" .", ".")
                    .replace(" ?", "?")
                    .replace(" !", "!")
                    .replace(" ,", ",")
                    .replace(" ' ", "'")
                    .replace(" n't", "n't")
                    .replace(" 'm", "'m")
                    .replace(" do not", " don't")
                    .replace(" 's", "'s")
                    .replace(" 've", "'ve")
                    .replace(" 're", "'re");
        }
    }
}
