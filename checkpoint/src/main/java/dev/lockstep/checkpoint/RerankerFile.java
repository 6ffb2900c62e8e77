// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// A description of a decoder that ranks by the logits of tokens, for models whose own files do not
/// say so: `reranker.json` beside the model, or a file of the settings.
///
/// @param place the file, for messages
/// @param tokens as the tokenizer writes them: the one whose logit is the score, or before it the
///   one whose logit is subtracted
/// @param template how a query and a document are joined
/// @param instruction of requests without one
public record RerankerFile(
        String place, List<String> tokens, PairForm.Template template, String instruction) {

    /// The name of the file beside a model.
    static final String NAME = "reranker.json";

    /// The key of the tokens, which configurations for vLLM have too.
    static final String TOKENS = "classifier_from_token";

    private static final String TEMPLATE = "template";
    private static final String INSTRUCTION = "instruction";

    /// The form in which Qwen3-Reranker was published: its model card gives the texts.
    public static final RerankerFile QWEN3 =
            new RerankerFile(
                    "qwen3",
                    List.of("no", "yes"),
                    new PairForm.Template(
                            """
                            <|im_start|>system
                            Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>
                            <|im_start|>user
                            <Instruct>: {instruction}
                            <Query>: {query}
                            <Document>: {document}<|im_end|>
                            <|im_start|>assistant
                            <think>

                            </think>

                            """),
                    "Given a web search query, retrieve relevant passages that answer the query");

    public RerankerFile {
        tokens = List.copyOf(tokens);
    }

    /// Reads a file.
    ///
    /// @throws CheckpointException naming the key, its value and what is expected
    public static RerankerFile read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(
                    file + " does not exist: name a file that describes a reranker, or qwen3");
        }
        JsonObject json = JsonObject.read(file);
        String text = json.text(TEMPLATE).orElseThrow(() -> json.missing(TEMPLATE));
        PairForm.Template template =
                PairForm.Template.find(text)
                        .orElseThrow(
                                () ->
                                        json.wrong(
                                                TEMPLATE,
                                                text,
                                                "a text with {query} and {document}"));
        String instruction = json.text(INSTRUCTION).orElse("");
        if (!instruction.isEmpty() && !template.hasInstruction()) {
            throw json.wrong(
                    TEMPLATE, text, "a text with {instruction}, as " + INSTRUCTION + " is given");
        }
        return new RerankerFile(file.toString(), tokens(json), template, instruction);
    }

    /// Returns the tokens of a file.
    static List<String> tokens(JsonObject json) {
        List<String> tokens = json.texts(TOKENS);
        if (tokens.isEmpty() || tokens.size() > 2) {
            throw json.wrong(
                    TOKENS, tokens, "the token that scores, or the one that is subtracted and it");
        }
        return tokens;
    }

    /// Returns the model that a checkpoint is by this description.
    public SentenceModel of(Checkpoint checkpoint) {
        return of(checkpoint, SentenceDense.Activation.SIGMOID);
    }

    SentenceModel of(Checkpoint checkpoint, SentenceDense.Activation activation) {
        return new SentenceModel(
                score(checkpoint, place, tokens, activation, template),
                instruction.isEmpty() ? Map.of() : Map.of(INSTRUCTION, instruction),
                instruction.isEmpty() ? Optional.empty() : Optional.of(INSTRUCTION),
                OptionalInt.empty(),
                false);
    }

    static SentenceModel.Score score(
            Checkpoint checkpoint,
            String place,
            List<String> tokens,
            SentenceDense.Activation activation,
            PairForm form) {
        return ScoreHead.ofTokens(
                checkpoint,
                id(checkpoint, place, tokens.getLast()),
                tokens.size() == 2
                        ? OptionalInt.of(id(checkpoint, place, tokens.getFirst()))
                        : OptionalInt.empty(),
                activation,
                form);
    }

    private static int id(Checkpoint checkpoint, String place, String token) {
        OptionalInt id = checkpoint.tokenizer().idOf(token);
        if (id.isEmpty() || id.getAsInt() >= checkpoint.config().vocabularySize()) {
            throw new CheckpointException(
                    "%s: %s is %s, which is no token of the tokenizer of %s"
                            .formatted(place, TOKENS, token, checkpoint.path()));
        }
        return id.getAsInt();
    }
}
