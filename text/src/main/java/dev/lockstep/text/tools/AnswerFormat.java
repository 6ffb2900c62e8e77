// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.ChatTemplate;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// How a model writes an answer: immutable, and shared by all requests of a model.
///
/// @param reasoning empty if the model writes none apart, as far as its template shows
/// @param tools empty if the template shows no tool calls
public record AnswerFormat(
        Optional<ReasoningFormat> reasoning, ContentFormat content, Optional<ToolFormat> tools) {

    /// Learns a template's format. What the template does not show comes from a description of
    /// ours, if one fits.
    public static AnswerFormat learn(ChatTemplate template, Clock clock) {
        AnswerFormat learnt = AnswerLearner.learn(template, clock);
        return FormatFile.of(template).map(learnt::completedBy).orElse(learnt);
    }

    /// Learns a template's format, except for what a user's description says.
    ///
    /// @throws IllegalArgumentException with one line that names the file and its fault
    public static AnswerFormat learn(ChatTemplate template, Clock clock, Path description) {
        AnswerFormat learnt = AnswerLearner.learn(template, clock);
        FormatFile file = FormatFile.read(description);
        return new AnswerFormat(
                file.reasoning().or(learnt::reasoning),
                file.content().orElse(learnt.content()),
                file.tools().or(learnt::tools));
    }

    private AnswerFormat completedBy(FormatFile file) {
        return new AnswerFormat(
                reasoning.or(file::reasoning),
                tools.isPresent() ? content : file.content().orElse(content),
                tools.or(file::tools));
    }

    /// Returns whether an answer to this prompt begins within the reasoning.
    public boolean beginsWithReasoning(String prompt) {
        return reasoning.filter(format -> format.isOpenedBy(prompt)).isPresent();
    }

    /// Returns the format of an answer to a request without tools.
    public AnswerFormat withoutTools() {
        return new AnswerFormat(reasoning, content, Optional.empty());
    }

    /// Returns whether all of an answer is content, however it is written.
    public boolean isPlain() {
        return reasoning.isEmpty() && tools.isEmpty() && content.openings().isEmpty();
    }

    /// Returns whether a marker of the format contains a text; what only ends a turn is none.
    public boolean marks(String text) {
        return Markers.of(this).stream().anyMatch(marker -> marker.contains(text));
    }

    /// Checks a user's description.
    ///
    /// @throws IllegalArgumentException with one line that names the file and its fault
    public static void requireDescription(Path description) {
        FormatFile.read(description);
    }

    /// Returns a parser of one answer.
    ///
    /// @param functions the schemas of the parameters by the functions' names
    /// @param constrained whether a grammar keeps calls well formed: then their arguments are
    ///   passed on as they come
    /// @param prompt the text that the answer continues
    public ToolCallParser parser(
            Map<String, JsonNode> functions, boolean constrained, String prompt) {
        return new ToolCallParser(this, functions, constrained, prompt);
    }

    /// Describes the format in lines for a user: a name and what stands under it.
    public List<Map.Entry<String, String>> describe() {
        return Description.of(this);
    }
}
