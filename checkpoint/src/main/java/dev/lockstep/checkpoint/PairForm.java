// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How a query and a document become one prompt.
public sealed interface PairForm {

    /// The chat template joins them, as messages of roles `query` and `document`.
    record Chat() implements PairForm {}

    /// The tokenizer's rule for pairs joins them.
    record TokenizerRule() implements PairForm {}

    /// A text with `{query}` and `{document}`, and `{instruction}` where one has a place.
    record Template(String text) implements PairForm {
        private static final String INSTRUCTION = "{instruction}";
        private static final Pattern PLACE = Pattern.compile("\\{(instruction|query|document)}");

        public Template {
            if (!hasPlaces(text)) {
                throw new IllegalArgumentException("a template without {query} or {document}");
            }
        }

        /// Returns the template of a text; empty if the two have no place in it.
        static Optional<Template> find(String text) {
            return hasPlaces(text) ? Optional.of(new Template(text)) : Optional.empty();
        }

        private static boolean hasPlaces(String text) {
            return text.contains("{query}") && text.contains("{document}");
        }

        public boolean hasInstruction() {
            return text.contains(INSTRUCTION);
        }

        /// Returns the prompt. What the texts themselves write in braces stays as it is.
        public String of(String instruction, String query, String document) {
            Map<String, String> texts =
                    Map.of("instruction", instruction, "query", query, "document", document);
            return PLACE.matcher(text)
                    .replaceAll(place -> Matcher.quoteReplacement(texts.get(place.group(1))));
        }
    }
}
