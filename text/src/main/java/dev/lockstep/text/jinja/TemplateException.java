package dev.lockstep.text.jinja;

/// A template that cannot be parsed or rendered, with the line of the template that says so.
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String reason;
    private final int line;

    /// The line counts from 1; 0 means that it is not known.
    public TemplateException(String reason, int line) {
        super(line > 0 ? "template line " + line + ": " + reason : reason, null, false, false);
        this.reason = reason;
        this.line = line;
    }

    TemplateException(String reason) {
        this(reason, 0);
    }

    /// The same failure with its line, unless an inner part of the template has named one.
    TemplateException at(int here) {
        return line > 0 ? this : new TemplateException(reason, here);
    }

    /// What went wrong, without the line.
    public String reason() {
        return reason;
    }

    public int line() {
        return line;
    }
}
