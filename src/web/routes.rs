//! Every route there is, and the router made of them.

use crate::app::App;
use crate::guard;
use crate::lago;
use crate::openapi;
use crate::openmeter;
use crate::openmeter_reads;
use crate::respond::{no_route, other_method};
use crate::route::Route;
use crate::stripe;
use crate::system;
use crate::upodi;
use crate::zuplo;
use axum::Router;
use axum::routing::{MethodFilter, on};
use http::Request;
use std::sync::Arc;

/// The table of routes, in the order of the documentation.
pub fn all() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(system::routes());
    routes.extend(openapi::routes());
    routes.extend(upodi::routes());
    routes.extend(openmeter::routes());
    routes.extend(openmeter_reads::routes());
    routes.extend(lago::routes());
    routes.extend(zuplo::routes());
    routes.extend(stripe::routes());
    routes
}

/// The router of the table.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in all() {
        let (app, route) = (Arc::clone(app), Arc::new(route));
        let pattern = route.pattern();
        let Ok(method) = MethodFilter::try_from(route.method.clone()) else { continue };
        let handler = move |request: Request<axum::body::Body>| {
            guard::answer(Arc::clone(&app), Arc::clone(&route), request)
        };
        router = router.route(&pattern, on(method, handler));
    }
    router.fallback(no_route).method_not_allowed_fallback(other_method)
}
