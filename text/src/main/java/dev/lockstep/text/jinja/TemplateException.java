// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The failure to parse or render a template, with the line of the template at fault.
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String reason;
    private final int line;

    /// Creates a failure; the line counts from 1, and 0 means that it is not known.
    public TemplateException(String reason, int line) {
        super(line > 0 ? "template line " + line + ": " + reason : reason, null, false, false);
        this.reason = reason;
        this.line = line;
    }

    TemplateException(String reason) {
        this(reason, 0);
    }

    /// Returns the same failure with this line, unless an inner part of the template has set one.
    TemplateException at(int here) {
        return line > 0 ? this : new TemplateException(reason, here);
    }

    /// Returns the reason without the line.
    public String reason() {
        return reason;
    }

    public int line() {
        return line;
    }
}
