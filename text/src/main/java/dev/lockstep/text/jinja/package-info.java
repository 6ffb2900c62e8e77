/// The Jinja subset that chat templates are written in.
///
/// Laws: a template never reaches a Java object, only the plain values of `Values`; every value but
/// a namespace is immutable; every loop, text and call is charged to a `Budget`, so a hostile
/// template ends in a `TemplateException`; what a user wrote is data and is never parsed. The
/// dialect is that of Jinja 3.1 as chat templates are run elsewhere: `trim_blocks`,
/// `lstrip_blocks`, loop controls, the immutable sandbox, no escaping. Where the two differ on
/// purpose: an unknown filter or test is an error when it is reached, not when parsed; no template
/// includes, imports or extends another; `raw` must be closed; a whole number has at most 4096
/// bits.
@NullMarked
package dev.lockstep.text.jinja;

import org.jspecify.annotations.NullMarked;
