// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.text.jinja.JinjaTemplate;
import dev.lockstep.text.jinja.RenderLimits;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A model's chat template: converts a conversation to the text that the model continues.
///
/// Safe for any number of threads: parse once, render per request. Both steps throw
/// [dev.lockstep.text.jinja.TemplateException] with the template's line: a template of the model
/// that does not parse is [ModelTemplate.Broken], and one that refuses a conversation makes that
/// request invalid. User text is data: braces in a message are rendered unchanged.
public final class ChatTemplate {
    private final String source;
    private final JinjaTemplate template;
    private final String bosToken;
    private final String eosToken;

    /// Made when it is first needed; several threads may make the same.
    @Nullable private volatile Trial trial;

    /// What a trial of the template's tool calls showed.
    private record Trial(Optional<ToolCallForm> form) {}

    private ChatTemplate(String source, JinjaTemplate template, String bosToken, String eosToken) {
        this.source = source;
        this.template = template;
        this.bosToken = bosToken;
        this.eosToken = eosToken;
    }

    /// Parses a template with its `bos_token` and `eos_token`; for a model without one, pass an
    /// empty text.
    public static ChatTemplate parse(String source, String bosToken, String eosToken) {
        return parse(source, bosToken, eosToken, RenderLimits.DEFAULT);
    }

    public static ChatTemplate parse(
            String source, String bosToken, String eosToken, RenderLimits limits) {
        return new ChatTemplate(source, JinjaTemplate.parse(source, limits), bosToken, eosToken);
    }

    /// Returns the form in which this template renders tool calls; empty if it renders none.
    public Optional<ToolCallForm> toolCallForm(Clock clock) {
        Trial made = trial;
        if (made == null) {
            made = new Trial(ToolCallForm.of(this, clock));
            trial = made;
        }
        return made.form();
    }

    public String source() {
        return source;
    }

    /// Returns whether the template's source contains a name; without it, the template cannot
    /// render the variable or the field of a message that has this name.
    public boolean names(String name) {
        return source.contains(name);
    }

    /// Returns the prompt; the clock, with its zone, is read only if the template uses the date.
    public String render(ChatVariables conversation, Clock clock) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("bos_token", bosToken);
        variables.put("eos_token", eosToken);
        variables.putAll(conversation.others());
        variables.put("messages", conversation.messages());
        variables.put("add_generation_prompt", conversation.addGenerationPrompt());
        return template.render(variables, clock);
    }
}
