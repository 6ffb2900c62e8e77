package dev.lockstep.text;

import dev.lockstep.text.jinja.JinjaTemplate;
import dev.lockstep.text.jinja.RenderLimits;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A model's chat template: turns a conversation into the text that the model continues.
///
/// Immutable and safe for any number of threads: parse once, render per request. Both steps throw
/// [dev.lockstep.text.jinja.TemplateException] with the template's line: a template that does not
/// parse stops the start, one that refuses a conversation is that request's bad input. What a user
/// wrote is data: braces in a message come out as they are.
public final class ChatTemplate {
    private final JinjaTemplate template;
    private final String bosToken;
    private final String eosToken;

    private ChatTemplate(JinjaTemplate template, String bosToken, String eosToken) {
        this.template = template;
        this.bosToken = bosToken;
        this.eosToken = eosToken;
    }

    /// The tokens are the template's `bos_token` and `eos_token`; a model without one passes an
    /// empty text.
    public static ChatTemplate parse(String source, String bosToken, String eosToken) {
        return parse(source, bosToken, eosToken, RenderLimits.DEFAULT);
    }

    public static ChatTemplate parse(
            String source, String bosToken, String eosToken, RenderLimits limits) {
        return new ChatTemplate(JinjaTemplate.parse(source, limits), bosToken, eosToken);
    }

    /// The prompt; the clock, with its zone, is read only where the template asks for the date.
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
