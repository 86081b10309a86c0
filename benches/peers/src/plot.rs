//! Curves on two logarithmic axes, as an SVG of a few kilobytes.

/// Points by size.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;
/// To be told apart by those who see fewer colours, too.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a6a00", "#56565a"];

/// Decades that hold all values.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let most = values.fold(f64::MIN_POSITIVE, f64::max).log10().ceil();
        Axis { from: least, to: most.max(least + 1.0) }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.from) / (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = (f64, String)> {
        (self.from as i32..=self.to as i32).map(|power| (10f64.powi(power), words(power)))
    }
}

fn words(power: i32) -> String {
    match power {
        ..0 => format!("{:.*}", -power as usize, 10f64.powi(power)),
        0..3 => 10u32.pow(power as u32).to_string(),
        3..6 => format!("{}k", 10u32.pow(power as u32 - 3)),
        _ => format!("{}M", 10u32.pow(power as u32 - 6)),
    }
}

/// Panels side by side.
pub(crate) fn draw(panels: &[(&str, Vec<Curve>)]) -> String {
    let all = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {all} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\" fill=\"#333\">\n<rect width=\"{all}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (at, (title, curves)) in panels.iter().enumerate() {
        svg.push_str(&format!("<g transform=\"translate({},0)\">\n", WIDTH * at as f64));
        panel(&mut svg, title, curves);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, title: &str, curves: &[Curve]) {
    let points = curves.iter().flat_map(|curve| &curve.points);
    let (across, up) = (Axis::of(points.clone().map(|point| point.0)), Axis::of(points.map(|point| point.1)));
    let (width, height) = (WIDTH - 2.4 * MARGIN, HEIGHT - 2.0 * MARGIN);
    let x = |value: f64| MARGIN + across.place(value) * width;
    let y = |value: f64| HEIGHT - MARGIN - up.place(value) * height;
    svg.push_str(&format!("<text x=\"{MARGIN}\" y=\"24\" font-size=\"13\">{title}</text>\n"));
    for (value, words) in across.decades() {
        let (x, top, bottom) = (x(value), MARGIN, HEIGHT - MARGIN);
        svg.push_str(&format!("<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/>"));
        svg.push_str(&format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{words}</text>\n", bottom + 16.0));
    }
    for (value, words) in up.decades() {
        let (y, right) = (y(value), MARGIN + width);
        svg.push_str(&format!("<path d=\"M{MARGIN} {y:.1}H{right:.1}\" stroke=\"#ddd\"/>"));
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{words}</text>\n",
            MARGIN - 5.0,
            y + 4.0
        ));
    }
    let mut ordered: Vec<(&Curve, &str)> =
        curves.iter().zip(COLOURS).filter(|(curve, _)| !curve.points.is_empty()).collect();
    let last = |curve: &Curve| curve.points.last().map_or((1.0, 1.0), |point| *point);
    ordered.sort_by(|one, other| last(one.0).1.total_cmp(&last(other.0).1));
    for (curve, colour) in &ordered {
        let path = curve.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value)));
        let path = path.collect::<Vec<_>>().join("L");
        svg.push_str(&format!("<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"));
    }
    // Names stand behind their curves, a line of text apart, and above all of them.
    svg.push_str("<g stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">\n");
    let mut label_above = f64::INFINITY;
    for (curve, colour) in &ordered {
        let (end, value) = last(curve);
        label_above = y(value).min(label_above - 12.0);
        let (name, x, y) = (curve.name, x(end) + 5.0, label_above + 4.0);
        svg.push_str(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>\n"));
    }
    svg.push_str("</g>\n");
}
