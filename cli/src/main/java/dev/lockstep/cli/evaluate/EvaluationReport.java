// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// An evaluation for people and for programs.
///
/// @param model the evaluated model's name
/// @param reference its name
public record EvaluationReport(
        String model, Optional<String> reference, int context, Evaluation evaluation) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// Formats a table.
    public String text() {
        List<String> lines = new ArrayList<>();
        Perplexity own = evaluation.model();
        lines.add(
                "%d windows of %d tokens, %d tokens scored"
                        .formatted(evaluation.windows(), context, own.tokens()));
        lines.add(line(own, model));
        evaluation.comparison().ifPresent(each -> lines.addAll(lines(each)));
        return String.join("\n", lines);
    }

    private List<String> lines(Evaluation.Comparison comparison) {
        Divergence divergence = comparison.divergence();
        List<String> lines = new ArrayList<>();
        lines.add(line(comparison.reference(), reference.orElseThrow()));
        lines.add(
                "KL divergence   mean %.5f, 99 %% %.4f, largest %.4f"
                        .formatted(divergence.mean(), divergence.p99(), divergence.largest()));
        lines.add("same next token %.2f %%".formatted(100 * divergence.agreement()));
        comparison
                .layers()
                .forEach(
                        (layer, error) ->
                                lines.add(
                                        "layer %3d       input differs by %.5f"
                                                .formatted(layer, error)));
        return lines;
    }

    private static String line(Perplexity perplexity, String name) {
        return "perplexity      %9.4f ± %.4f  %s"
                .formatted(perplexity.value(), perplexity.error(), name);
    }

    /// Formats a JSON object in one line.
    public String json() {
        ObjectNode json = JSON.createObjectNode();
        json.put("model", model)
                .put("windows", evaluation.windows())
                .put("context", context)
                .put("tokens", evaluation.model().tokens());
        put(json, evaluation.model());
        evaluation.comparison().ifPresent(each -> putComparison(json, each));
        return json.toString();
    }

    private void putComparison(ObjectNode json, Evaluation.Comparison comparison) {
        put(
                json.putObject("reference").put("model", reference.orElseThrow()),
                comparison.reference());
        Divergence divergence = comparison.divergence();
        json.putObject("kl_divergence")
                .put("mean", divergence.mean())
                .put("p99", divergence.p99())
                .put("max", divergence.largest());
        json.put("same_next_token", divergence.agreement());
        if (!comparison.layers().isEmpty()) {
            ObjectNode layers = json.putObject("layer_input_error");
            comparison.layers().forEach((layer, error) -> layers.put(layer.toString(), error));
        }
    }

    private static void put(ObjectNode json, Perplexity perplexity) {
        json.put("perplexity", perplexity.value()).put("perplexity_error", perplexity.error());
    }
}
